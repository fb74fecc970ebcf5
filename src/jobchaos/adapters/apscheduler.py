"""APSchedulerAdapter: jobs of APScheduler 3, run as its executors run them."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import apscheduler.executors.base
import apscheduler.job
from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.util import get_callable_name

from jobchaos.adapters.direct_calls import DirectCalls, alive
from jobchaos.adapters.execution import Executing, defined_at, replacing
from jobchaos.adapters.retries import deliver
from jobchaos.core.adapter import Around, Plain
from jobchaos.core.job import Job
from jobchaos.core.redelivery import GivenUp
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.terms import AfterKill, Terms
from jobchaos.errors import UsageError

_NEXT_TIME = "a job that finds unfinished work the next time (APScheduler itself never runs a run again)"
_EXECUTORS = ("base", "pool", "debug", "asyncio", "gevent", "twisted", "tornado")


class APSchedulerAdapter:
    """See `Adapter`."""

    name = "APScheduler"

    def __init__(self) -> None:
        self.learned: list[Plain] = []
        """See `Learner.learned`: what was added to a scheduler."""

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return isinstance(thing, apscheduler.job.Job)

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`."""
        if args or kwargs:
            raise UsageError(f"{thing} carries its own arguments; give further ones to add_job(args=[...]) instead")

        @functools.wraps(thing.func)
        def call(*args: Any, **kwargs: Any) -> Any:
            return deliver(functools.partial(thing.func, *args, **kwargs), lambda error, _: GivenUp(error))

        name = getattr(thing.func, "__name__", thing.name)
        job = Job.delivered(call, tuple(thing.args), dict(thing.kwargs), name=name, terms=_terms(thing))
        return job.with_policy(RetryPolicy(executions=1, source="APScheduler, which knows no retries"))

    def plain(self, function: Callable[..., Any]) -> Plain:
        """See `Learner.plain`."""
        return function, get_callable_name(function), lambda: _terms(None)

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`: of all executors in this process that are imported."""
        with replacing() as replace, DirectCalls(around, self.learned) as direct:
            for name in ("run_job", "run_coroutine_job"):
                for module in (sys.modules.get(f"apscheduler.executors.{executor}") for executor in _EXECUTORS):
                    if hasattr(module, name):
                        replace(module, name, _handed_over(getattr(module, name), around))
            for job in alive(apscheduler.job.Job):
                direct.watch(*_plain(job))
            replace(BaseScheduler, "add_job", _learning(BaseScheduler.add_job, direct))
            yield


def _learning(add_job: Callable[..., Any], direct: DirectCalls) -> Callable[..., Any]:
    @functools.wraps(add_job)
    def added(*args: Any, **kwargs: Any) -> Any:
        job = add_job(*args, **kwargs)
        direct.learn(*_plain(job))
        return job

    return added


def _plain(job: Any) -> Plain:
    return getattr(job, "func", None), getattr(job, "name", ""), lambda: _terms(job)


def _handed_over(run_job: Callable[..., Any], around: Around) -> Callable[..., Any]:
    is_async = inspect.iscoroutinefunction(run_job)

    def watched(job: Any, *args: Any) -> Any:
        run: Callable[[], Any] = functools.partial(run_job, job, *args)
        described = job.name, defined_at(job.func), job.id, _terms(job)
        return around(Executing(*described, run, is_async=is_async, failed=_failed))

    return watched


def _failed(events: Any) -> bool:
    """An executor catches everything, and returns what listeners are to be told."""
    return any(event.code == EVENT_JOB_ERROR for event in events)


def _terms(job: Any) -> Terms:
    duplicates = "several schedulers on one job store"
    if (getattr(job, "max_instances", 1) or 1) > 1:
        duplicates += f", max_instances={job.max_instances}"
    if not getattr(job, "coalesce", True):
        duplicates += ", runs that were missed and are made up for (coalesce is off)"
    return Terms(
        system="APScheduler",
        level="body",
        after_kill=AfterKill.LOST,
        because="the next run time is stored once a run has been handed to its executor: it is never made up for",
        setting=_NEXT_TIME,
        retries=_NEXT_TIME,
        duplicates=duplicates,
        remarks=("a kill in the first moment of a run, before that is stored, lets it run again",),
        dead_letter="nowhere: an EVENT_JOB_ERROR tells listeners",
    )
