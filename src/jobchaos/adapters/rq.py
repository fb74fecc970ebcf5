"""RQAdapter: jobs of RQ, and functions with its `@job` decorator; called as `rq.job.Job.perform` calls them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import math
import sys
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import rq.decorators
import rq.job
from rq.defaults import DEFAULT_FAILURE_TTL, DEFAULT_RESULT_TTL
from rq.timeouts import JobTimeoutException
from rq.utils import parse_timeout

from jobchaos.adapters.direct_calls import DirectCalls, alive
from jobchaos.adapters.execution import Executing, defined_at, hand_over_outermost, replacing
from jobchaos.adapters.retries import again, by, deliver, executions
from jobchaos.core.adapter import Around, Plain
from jobchaos.core.job import Job
from jobchaos.core.redelivery import GivenUp
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.sent import Sent
from jobchaos.core.terms import AfterKill, KeyTerms, Terms
from jobchaos.errors import UsageError

_IDS = uuid.UUID("6a6f6263-6861-6f73-8000-000000007271")
_RETRY = "enqueue(..., retry=Retry(max=3))"


class RQAdapter:
    """See `Adapter`."""

    name = "RQ"

    def __init__(self) -> None:
        self.learned: list[Plain] = []
        """See `Learner.learned`: what was enqueued."""

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return isinstance(thing, rq.job.Job) or _decorator(thing) is not None

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`."""
        if not isinstance(thing, rq.job.Job):
            return _job(_enqueued(thing, args, kwargs), thing)
        if args or kwargs:
            raise UsageError(f"{thing.get_call_string()} carries its own arguments; give further ones to enqueue(...)")
        return _job(thing, thing.func)

    def child(self, sent: Sent, home: Any) -> Job | None:
        """See `Follower.child`."""
        job = rq.job.Job(sent.options["id"], connection=home)
        job.data = job.serializer.dumps((sent.task, None, sent.args, dict(sent.kwargs)))
        for name, value in sent.options.items():
            if name != "id":
                setattr(job, name, value)
        try:
            return _job(job, job.func)
        except (ImportError, AttributeError, ValueError):
            return None  # only a worker of its own can import it

    def plain(self, function: Callable[..., Any]) -> Plain:
        """See `Learner.plain`."""
        return function, f"{function.__module__}.{function.__qualname__}", lambda: _terms(0, None)

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`: also of functions that have the decorator, or that were enqueued before."""

        def perform(job: rq.job.Job, run: Callable[..., Any], _args: Any, _kwargs: Any) -> Any:
            described = job.func_name, defined_at(job.func), job.id, _terms_of(job)
            return around(Executing(*described, run, failed=lambda result: isinstance(result, rq.Retry)))

        with replacing() as replace, DirectCalls(around, self.learned) as direct:
            hand_over_outermost(replace, rq.job.Job, "perform", perform)
            for function in filter(_decorator, [_enqueued_by(thing) for thing in alive(types.FunctionType)]):
                direct.watch(*_plain(function))
            replace(rq.decorators.job, "__call__", _decorating(rq.decorators.job.__call__, direct))
            replace(rq.job.Job, "create", classmethod(_learning(rq.job.Job.create.__func__, direct)))
            yield


def _learning(create: Callable[..., Any], direct: DirectCalls) -> Callable[..., Any]:
    """`Job.create`, which all ways of enqueueing call. Whoever enqueues a function says that it is a job."""

    @functools.wraps(create)
    def created(kind: type, func: object, *args: Any, **kwargs: Any) -> Any:
        job = create(kind, func, *args, **kwargs)
        function = _imported(func) if isinstance(func, str) else func
        direct.learn(function, job.func_name, lambda: _terms_of(job))
        return job

    return created


def _decorator(thing: Any) -> Any:
    """The `rq.job` decorator of a function; None if it has none."""
    enqueue: Any = vars(thing).get("enqueue") or vars(thing).get("delay") if inspect.isfunction(thing) else None
    if getattr(getattr(enqueue, "__code__", None), "co_filename", "").endswith("rq/decorators.py"):
        return inspect.getclosurevars(enqueue).nonlocals["self"]
    return None


def _enqueued_by(thing: Any) -> Any:
    """The function that carries the decorator whose `enqueue` this is; None for all other things."""
    code = thing.__code__
    is_theirs = code.co_filename.endswith("rq/decorators.py") and code.co_freevars == ("f", "self")
    return inspect.getclosurevars(thing).nonlocals["f"] if is_theirs else None


def _decorating(decorate: Callable[..., Any], direct: DirectCalls) -> Callable[..., Any]:
    def decorated(decorator: Any, function: Any) -> Any:
        function = decorate(decorator, function)
        direct.watch(*_plain(function))
        return function

    return decorated


def _plain(function: Any) -> Plain:
    decorator = _decorator(function)
    retries, timeout = getattr(decorator.retry, "max", 0), parse_timeout(decorator.timeout)
    return function, f"{function.__module__}.{function.__qualname__}", lambda: _terms(retries, timeout)


def _imported(name: str) -> Any:
    """What a name stands for, if its module has been imported; a worker would do that, but nobody may have one."""
    module, _, name = name.rpartition(".")
    return getattr(sys.modules.get(module), name, None)


def _enqueued(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> rq.job.Job:
    """The job that its decorator's `enqueue` would create, stored nowhere."""
    decorator = _decorator(function)
    queue = decorator.queue
    if isinstance(queue, str):
        if decorator.connection is None:
            raise UsageError(
                f"{function.__name__} has the queue {queue!r} by name, and no connection, so that RQ cannot make its "
                "job. Give both, @job('mail', connection=Redis()), which is not connected to; or check an enqueued job"
            )
        queue = decorator.queue_class(name=queue, connection=decorator.connection)
    id = str(uuid.uuid5(_IDS, f"{function.__qualname__}{args!r}{sorted(kwargs.items())!r}"))  # noqa: A001 - RQ's word
    options = {"timeout": decorator.timeout, "retry": decorator.retry, "meta": decorator.meta, "job_id": id}
    job = queue.create_job(function, args=args, kwargs=dict(kwargs), **options)
    job.origin = queue.name
    return job


def _job(job: rq.job.Job, function: Callable[..., Any]) -> Job:
    policy = _policy(job)
    most, given_up = job.retries_left, by(policy)
    own_id = job.id  # made on first use, which must not be in a check, where random values are the same each time

    @functools.wraps(function)
    def perform(*args: Any, **kwargs: Any) -> Any:
        attempt = type(job)(own_id, connection=job.connection, serializer=job.serializer)
        attempt.__dict__.update(job.__dict__, _args=args, _kwargs=kwargs)
        if most is not None:
            attempt.retries_left = most - executions()
        attempt.number_of_retries = executions()
        rq.job._current_job.set(attempt)  # noqa: SLF001 - as `Job.perform` does; it lasts as long as the attempt's context
        is_plain = type(job).perform is rq.job.Job.perform
        call = functools.partial(function, *args, **kwargs) if is_plain else attempt.perform
        return deliver(call, given_up, _concluded)

    return Job.delivered(
        perform,
        tuple(job.args),
        dict(job.kwargs),
        name=job.func_name.rpartition(".")[2],
        terms=_terms_of(job),
        home=job.connection,
    ).with_policy(policy)


def _concluded(result: Any) -> Any:
    """A job may return a `Retry` in place of raising (rq/worker/base.py: `handle_job_retry`)."""
    if not isinstance(result, rq.Retry):
        return result
    done = executions()
    if done >= result.max:
        raise GivenUp(RuntimeError(f"returned {result!r} after {done} retries"))
    interval = result.intervals[min(done, len(result.intervals) - 1)]
    raise again(f"returned {result!r}", done + 1, interval * 10**9)


def _policy(job: rq.job.Job) -> RetryPolicy:
    """RQ looks its intervals up from the end: a shorter list repeats its first one (`Job.get_retry_interval`, 3.0)."""
    retries, intervals = job.retries_left or 0, job.retry_intervals or [0]
    delays = [intervals[max(len(intervals) - left, 0)] for left in range(retries, 0, -1)]
    return RetryPolicy(executions=retries + 1, delays=delays, source="RQ's Retry") if delays else _ONCE


_ONCE = RetryPolicy(executions=1, source="RQ without Retry")


def _terms_of(job: rq.job.Job) -> Terms:
    terms = _terms(job.retries_left or 0, job.timeout)
    return dataclasses.replace(
        terms,
        key=KeyTerms(
            after_success=_seconds(job.result_ttl, DEFAULT_RESULT_TTL),
            after_failure=_seconds(job.failure_ttl, DEFAULT_FAILURE_TTL),
        ),
    )


def _seconds(ttl: int | None, default: int) -> float:
    """For which a job that has ended is kept in Redis, and with it its id; a negative time is for ever."""
    seconds = default if ttl is None else ttl
    return math.inf if seconds < 0 else seconds


def _terms(retries: int, timeout: int | None) -> Terms:
    timeout = rq.Queue.DEFAULT_TIMEOUT if timeout is None else timeout
    return Terms(
        system="RQ",
        level="body",
        after_kill=AfterKill.REDELIVERED if retries else AfterKill.LOST,
        because=f"it has {retries} {'retry' if retries == 1 else 'retries'}"
        if retries
        else "it has no Retry, and fails when its worker is gone",
        setting=_RETRY,
        retries="" if retries else _RETRY,
        duplicates="a worker that is taken for dead and still runs the job, or a caller that enqueues it again",
        soft_limit=timeout if timeout > 0 else None,
        timeout=JobTimeoutException,
        dead_letter="in the FailedJobRegistry",
        remarks=("a kill uses up a retry, too: more kills than retries lose the job",) if retries else (),
    )
