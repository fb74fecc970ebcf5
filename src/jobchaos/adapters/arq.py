"""ArqAdapter: functions of arq, as `arq.func()` and `arq.cron()` describe them, called with a worker's context."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import functools
import inspect
import math
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import arq.worker
from arq.connections import ArqRedis
from arq.cron import CronJob

from jobchaos.adapters.direct_calls import DirectCalls, alive
from jobchaos.adapters.execution import Executing, defined_at, replacing
from jobchaos.core.adapter import Around, Plain
from jobchaos.core.attempts import attempt
from jobchaos.core.job import Job
from jobchaos.core.redelivery import GivenUp, Redelivery
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.sent import Sent
from jobchaos.core.terms import AfterKill, KeyTerms, Terms

_IDS = uuid.UUID("6a6f6263-6861-6f73-8000-000000617271")
# Of a worker whose settings say nothing else (arq/worker.py: `Worker.__init__`, 0.28).
_TRIES, _TIMEOUT, _KEPT = 5, 300.0, 3600.0


class ArqAdapter:
    """See `Adapter`. A bare coroutine function has nothing of arq; `arq.func(it)` has."""

    name = "arq"

    def __init__(self) -> None:
        self.learned: list[Plain] = []
        """See `Learner.learned`: what a worker was made for."""

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return isinstance(thing, arq.worker.Function | CronJob)

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`."""
        job_id = str(uuid.uuid5(_IDS, f"{thing.name}{args!r}{sorted(kwargs.items())!r}"))
        most = thing.max_tries or _TRIES

        @functools.wraps(thing.coroutine)
        async def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return await thing.coroutine(_Context(job_id), *args, **kwargs)
            except (Exception, asyncio.CancelledError) as error:
                raise _decided(error, most) from error

        signature = inspect.signature(thing.coroutine)
        shown = list(signature.parameters.values())[1:]
        call.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
        name = getattr(thing.coroutine, "__name__", thing.name)
        policy = RetryPolicy(executions=most, retryable=(arq.worker.Retry,), source="arq's max_tries")
        home = getattr(thing.coroutine, "__module__", "")
        return Job.delivered(call, args, kwargs, name=name, terms=_terms(thing), home=home).with_policy(policy)

    def child(self, sent: Sent, home: Any) -> Job | None:
        """See `Follower.child`: of the functions in its parent's module, and in settings of workers there."""
        known = {function.name: function for function in _functions(home)}
        return self.job(known[sent.task], sent.args, sent.kwargs) if sent.task in known else None

    def plain(self, function: Callable[..., Any]) -> Plain | None:
        """See `Learner.plain`."""
        return _plain(arq.worker.func(function)) if inspect.iscoroutinefunction(function) else None

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`: of workers that are made meanwhile, and of what is made for them."""
        make = arq.worker.Worker.__init__

        @functools.wraps(make)  # arq reads from its signature what settings a worker takes
        def made(worker: Any, *args: Any, **options: Any) -> None:
            make(worker, *args, **options)
            for name, function in worker.functions.items():
                watched = functools.partial(_handed_over, around, function)
                worker.functions[name] = dataclasses.replace(function, coroutine=watched)

        with replacing() as replace, DirectCalls(around, self.learned) as direct:
            replace(arq.worker.Worker, "__init__", made)
            for kind in (arq.worker.Function, CronJob):
                direct.watch_made(replace, kind, _plain)
            for settings in alive(type):
                for function in _listed(settings):
                    direct.watch(*_plain(function))
            yield


def _functions(home: str) -> Iterator[Any]:
    """What a worker can run of what a module has, plain coroutine functions first, as their settings may say more."""
    things = list(vars(sys.modules[home]).values()) if sys.modules.get(home) is not None else []
    yield from (arq.worker.func(thing) for thing in things if inspect.iscoroutinefunction(thing))
    yield from (thing for thing in things if isinstance(thing, arq.worker.Function))
    for settings in things:
        yield from _listed(settings)


def _listed(settings: Any) -> Iterator[Any]:
    """What a worker with these settings runs. Anything may have an attribute of that name: coroutines tell."""
    functions = vars(settings).get("functions") if isinstance(settings, type) else None
    for thing in functions if isinstance(functions, list | tuple) else ():
        if inspect.iscoroutinefunction(thing) or isinstance(thing, arq.worker.Function):
            yield arq.worker.func(thing)


def _plain(function: Any) -> Plain:
    return function.coroutine, function.name, lambda: _terms(function)


async def _handed_over(around: Around, function: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
    run: Callable[[], Any] = functools.partial(function.coroutine, context, *args, **kwargs)
    site, job_id = defined_at(function.coroutine), context["job_id"]
    return await around(Executing(function.name, site, job_id, _terms(function), run, is_async=True))


class CancelledError(asyncio.CancelledError):
    """A job sees its timeout as being cancelled; but a job that is cancelled otherwise is run again."""


class _Context(dict[str, Any]):
    """What a worker passes first. Which try it is, it tells those who ask: then that counts as being looked at."""

    def __init__(self, job_id: str) -> None:
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        super().__init__(job_id=job_id, enqueue_time=epoch, score=0, redis=ArqRedis())

    def __missing__(self, key: str) -> int:
        if key == "job_try":
            return attempt()
        raise KeyError(
            f"{key}: the context of a check has job_id, job_try, enqueue_time, score and redis, but nothing that "
            "on_startup would put into it. Let a wrapper of the function add it"
        )

    def get(self, key: str, default: Any = None) -> Any:
        """See `dict.get`."""
        return attempt() if key == "job_try" else super().get(key, default)


def _decided(error: BaseException, most: int) -> BaseException:
    """What `Worker.run_job` makes of an exception: an ordinary one is final."""
    if isinstance(error, CancelledError):
        return GivenUp(TimeoutError("its timeout is over"))
    if not isinstance(error, arq.worker.Retry | arq.worker.RetryJob | asyncio.CancelledError):
        return GivenUp(error)
    if attempt() >= most:
        return GivenUp(RuntimeError(f"max {most} retries exceeded"))
    milliseconds = getattr(error, "defer_score", None) or 0
    return Redelivery(f"{type(error).__name__}: in {milliseconds / 1000:g} s", milliseconds * 10**6)


def _terms(function: Any) -> Terms:
    tries, timeout = function.max_tries or _TRIES, function.timeout_s or _TIMEOUT
    kept = _KEPT if function.keep_result_s is None else function.keep_result_s
    kept = math.inf if function.keep_result_forever else kept
    return Terms(
        system="arq",
        level="body",
        after_kill=AfterKill.REDELIVERED,
        because="a job is removed after it has ended, and its in-progress key expires 10 s after the longest timeout",
        setting="arq as it is",
        retries="raise arq.Retry where it may succeed later",
        duplicates="a job that outlives its in-progress key, or a caller that enqueues it again",
        soft_limit=timeout,
        timeout=CancelledError,
        dead_letter="nowhere: its error is its result",
        key=KeyTerms(after_success=kept, after_failure=kept),
        remarks=(
            f"it is run {tries} times at most, kills and shutdowns included",
            "an ordinary exception is final: only arq.Retry, and being cancelled, run it again",
        ),
    )
