"""Adapted: jobs from whatever a test hands over: a function, a `Job`, or an object of a job system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jobchaos.adapters import adapter_of
from jobchaos.adapters.decorators import own_policy
from jobchaos.core.job import Job


def job_of(thing: Callable[..., Any] | Job | Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
    """The job that `thing` stands for, as its job system would run it if it belongs to one.

    Args:
        thing: A callable, a `Job`, or a task, signature, enqueued job or message of a job system.
        args: Positional arguments.
        kwargs: Keyword arguments.

    Raises:
        UsageError: If that is no job, or not with these arguments.
    """
    if isinstance(thing, Job):
        job = Job.of(thing, args, kwargs)
        adapter = None if job.terms else adapter_of(job.function)
        if adapter is None:
            return job
        adapted = adapter.job(job.function, job.args, job.kwargs).with_policy(*job.retrying.policies)
        return adapted if job.retrying.flag is None else adapted.with_red_flag(job.retrying.flag)
    adapter = adapter_of(thing)
    return Job.of(thing, args, kwargs) if adapter is None else adapter.job(thing, args, kwargs)


def known(job: Job) -> Job:
    """The job with the policy by which a library that has decorated it retries it, unless one was given.

    Raises:
        UsageError: If it cannot be read.
    """
    policy = None if job.retrying.own is not None else own_policy(job.body, job.name)
    return job if policy is None else job.with_policy(policy)
