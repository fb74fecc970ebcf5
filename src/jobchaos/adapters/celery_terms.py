"""What Celery does with a task, read from the task, its app and the options of its message."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import celery
from celery.exceptions import Retry, SoftTimeLimitExceeded

from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.terms import AfterKill, Terms

_LATE = "acks_late=True and reject_on_worker_lost=True"
_TWICE = (
    "a visibility timeout (Redis, SQS) shorter than the task or its countdown, a connection lost before the "
    "acknowledgement, or a caller that sends it again"
)
_IN_MEMORY = ("filesystem", "memory")
_CHILD = (
    "if only the pool's child is killed (out of memory), not the whole worker, the task is lost: reject_on_worker_lost "
    "is off"
)


def terms_of(task: celery.Task, options: Mapping[str, Any]) -> Terms:
    """The terms of a task.

    Args:
        task: The task, bound to its app.
        options: Of its message: `soft_time_limit`, `time_limit`.
    """
    after_kill, because = AfterKill.LOST, "acks_late is off, so that it is acknowledged before it runs"
    transport = str(task.app.conf.broker_url or "amqp").partition(":")[0]
    remarks: list[str] = []
    if task.acks_late:
        after_kill, because = AfterKill.REDELIVERED, "acks_late is on"
        if not task.reject_on_worker_lost:
            remarks.append(_CHILD)
        if transport in _IN_MEMORY:
            remarks.append(
                f"if the whole worker is killed, the task is lost: {transport} keeps it in the worker's memory"
            )
    if task.app is celery._state.default_app:  # noqa: SLF001 - there is no other way to ask
        remarks.append("no app was configured, so that these are Celery's defaults; import the module that makes yours")
    return Terms(
        system="Celery",
        level="delivery",
        after_kill=after_kill,
        because=because,
        setting=_LATE,
        retries="" if getattr(task, "autoretry_for", ()) else "autoretry_for=(...), or raise self.retry() in it",
        duplicates=_TWICE,
        soft_limit=options.get("soft_time_limit") or task.soft_time_limit,
        hard_limit=options.get("time_limit") or task.time_limit,
        timeout=SoftTimeLimitExceeded,
        dead_letter="nowhere: its state is FAILURE, and the message is acknowledged",
        remarks=tuple(remarks),
    )


def policy_of(task: celery.Task) -> RetryPolicy:
    """How often Celery executes a task, and when.

    With `autoretry_for`, what its wrapper has closed over counts, not what the attributes have become since. Backoff is
    `min(retry_backoff_max, int(max(1, retry_backoff)) * 2 ** retries)`, and jitter is anything from none to all of it
    (celery/app/autoretry.py, celery/utils/time.py: `get_exponential_backoff_interval`, 5.7).
    """
    executions = math.inf if task.max_retries is None else task.max_retries + 1
    if not getattr(task, "autoretry_for", ()):
        return RetryPolicy(
            executions=executions, delays=task.default_retry_delay, retryable=(Retry,), source="Celery's self.retry()"
        )
    closed = inspect.getclosurevars(task.run).nonlocals
    options = closed.get("retry_kwargs") or {}
    most = options.get("max_retries", task.max_retries)
    executions = math.inf if most is None else most + 1
    given = {
        "retryable": closed["autoretry_for"],
        "fatal": tuple(closed["dont_autoretry_for"]),
        "source": "Celery's autoretry_for",
    }
    if not closed["retry_backoff"]:
        return RetryPolicy(executions=executions, delays=options.get("countdown", task.default_retry_delay), **given)
    return RetryPolicy.exponential(
        executions,
        int(max(1.0, closed["retry_backoff"])),
        most=closed["retry_backoff_max"],
        jitter="full" if closed["retry_jitter"] else None,
        **given,
    )


def function_of(task: celery.Task) -> Callable[..., Any]:
    """The user's function, without what Celery has wrapped around it."""
    run = getattr(task, "_orig_run", task.run)
    function: Callable[..., Any] = inspect.unwrap(getattr(run, "__func__", run))
    return function
