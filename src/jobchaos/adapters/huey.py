"""HueyAdapter: tasks of Huey, executed as `Huey._execute` does, without queue, schedule and result store."""

from __future__ import annotations

import contextlib
import copy
import datetime
import functools
import gc
import inspect
import logging
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import huey.api
import huey.utils
from huey.exceptions import CancelExecution, HueyException, TaskLockedException, TaskTimeout
from huey.storage import BlackHoleStorage

from jobchaos.adapters.direct_calls import DirectCalls
from jobchaos.adapters.execution import Executing, defined_at, replacing
from jobchaos.core.adapter import Around, Plain
from jobchaos.core.job import Job
from jobchaos.core.redelivery import GivenUp, Redelivery, message
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.sent import Sent
from jobchaos.core.terms import AfterKill, Terms
from jobchaos.errors import UsageError

_IDS = uuid.UUID("6a6f6263-6861-6f73-8000-000068756579")
_ENDED = (CancelExecution, TaskLockedException)
"""What a task raises that has ended all the same: it is not wanted any more, or another one is at it."""
_THREADS = "workers of kind thread, and immediate mode, do not enforce timeout="


class HueyAdapter:
    """See `Adapter`."""

    name = "Huey"

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return isinstance(thing, huey.api.TaskWrapper | huey.api.Task | huey.api.Result | huey.api.ResultGroup)

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`."""
        if isinstance(thing, huey.api.TaskWrapper):
            task = thing.s(*args, **kwargs)
            task.id = str(uuid.uuid5(_IDS, f"{task.name}{args!r}{sorted(kwargs.items())!r}"))
            return _job(thing.huey, task)
        if isinstance(thing, huey.api.ResultGroup):
            raise UsageError(f"{thing!r} is of several tasks: check them one by one, as in run_twice(task, 42)")
        if args or kwargs:
            raise UsageError(f"{thing!r} carries its own arguments; give further ones to .s(...) instead")
        task = thing.task if isinstance(thing, huey.api.Result) else thing
        return _job(_owner(task), task)

    def child(self, sent: Sent, home: Any) -> Job | None:
        """See `Follower.child`."""
        try:
            task = home._registry.create_task(sent.options["message"])  # noqa: SLF001 - as `Huey.dequeue` does
        except HueyException:  # it is registered elsewhere
            return None
        return _job(home, task)

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`."""
        execute, call_local = huey.api.Huey._execute, huey.api.TaskWrapper.call_local  # noqa: SLF001 - no other way in

        def watched(owner: Any, task: Any, timestamp: Any) -> Any:
            def run() -> _Executed:
                fresh = _fresh(task)
                return _Executed(execute(owner, fresh, timestamp), getattr(fresh, "raised", None))

            described = task.name, defined_at(_function(task)), task.id, _terms(task)
            executed = around(Executing(*described, run, failed=lambda executed: executed.error is not None))
            return None if executed is None else executed.value

        def called(wrapper: Any, *args: Any, **kwargs: Any) -> Any:
            run = functools.partial(call_local, wrapper, *args, **kwargs)
            terms = _terms(wrapper.task_class())
            return around(Executing(wrapper.task_class.__name__, defined_at(wrapper.func), "", terms, run))

        with replacing() as replace, DirectCalls(around) as direct:
            replace(huey.api.Huey, "_execute", watched)
            replace(huey.api.Huey, "_run_post_execute", _noticed(huey.api.Huey._run_post_execute))  # noqa: SLF001 - likewise
            replace(huey.api.TaskWrapper, "call_local", called)
            direct.watch_made(replace, huey.api.TaskWrapper, _plain)
            yield


def _plain(wrapper: Any) -> Plain:
    return wrapper.func, wrapper.task_class.__name__, lambda: _terms(wrapper.task_class())


@dataclass(frozen=True, slots=True)
class _Executed:
    """What came of one `Huey._execute`, which catches everything."""

    value: Any
    error: BaseException | None


def _noticed(finish: Callable[..., None]) -> Callable[..., None]:
    """`Huey._run_post_execute`, which is told of what a task has raised."""

    def finished(owner: Any, task: Any, value: Any, exception: BaseException | None) -> None:
        task.raised = exception
        finish(owner, task, value, exception)

    return finished


def _fresh(task: Any) -> Any:
    """A copy, as an execution changes the task's retries and delay, and what follows it gets its result."""
    fresh = copy.copy(task)
    fresh.on_complete = copy.deepcopy(task.on_complete)
    return fresh


def _function(task: Any) -> Any:
    """The user's function, which `execute` has closed over (huey/api.py: `TaskWrapper.create_task`)."""
    return inspect.getclosurevars(type(task).execute).nonlocals["func"]


def _owner(task: Any) -> Any:
    """The Huey instance whose wrapper has made the class of a task, which does not know it."""
    # By `type`, as `isinstance` would wake lazy objects, which say that they are something else.
    made: Iterator[Any] = (thing for thing in gc.get_objects() if issubclass(type(thing), huey.api.TaskWrapper))
    wrapper = next((thing for thing in made if thing.task_class is type(task)), None)
    if wrapper is None:
        raise UsageError(f"{task!r} is of no task that a Huey instance has registered. Pass the decorated function")
    return wrapper.huey


def _job(owner: Any, task: Any) -> Job:
    function = _function(task)

    @functools.wraps(function)
    def execute(*args: Any, **kwargs: Any) -> Any:
        attempt = _fresh(task)
        attempt.args, attempt.kwargs = args, kwargs
        carried = message()
        if isinstance(carried, tuple):
            attempt.retries, attempt.retry_delay = carried
        try:
            result = owner._execute(attempt, None)  # noqa: SLF001 - no other way in
        except _Again as again:
            why = f"{_told(attempt.raised)}, to be retried in {again.seconds:g} s"
            carry = attempt.retries, attempt.retry_delay
            raise Redelivery(why, round(again.seconds * 10**9), carry) from attempt.raised
        if attempt.raised is not None and not isinstance(attempt.raised, _ENDED):
            raise GivenUp(attempt.raised) from attempt.raised
        return result

    signature = inspect.signature(function)
    shown = [parameter for name, parameter in signature.parameters.items() if not (task.context and name == "task")]
    execute.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    return Job.delivered(
        execute,
        tuple(task.args),
        dict(task.kwargs),
        name=task.name,
        terms=_terms(task),
        during=functools.partial(_detached, owner),
        home=owner,
    ).with_policy(_policy(task))


class _Again(BaseException):
    """The task that is being executed was enqueued or scheduled once more."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@contextlib.contextmanager
def _detached(owner: Any) -> Iterator[None]:
    """Hear of retries and failures of attempts, store nothing, and run no child inside its parent."""

    def enqueued(task: Any) -> Any:
        if hasattr(task, "raised"):
            raise _Again(0)
        return type(owner).enqueue(owner, task)

    def scheduled(task: Any) -> Any:
        if hasattr(task, "raised"):
            raise _Again(max(0.0, (task.eta - owner._get_timestamp()).total_seconds()))  # noqa: SLF001
        return type(owner).add_schedule(owner, task)

    with replacing() as replace:
        replace(owner, "_run_post_execute", functools.partial(_noticed(type(owner)._run_post_execute), owner))  # noqa: SLF001
        replace(owner, "enqueue", enqueued)
        replace(owner, "add_schedule", scheduled)
        replace(owner, "storage", BlackHoleStorage())
        replace(owner, "_immediate", False)
        for module in (huey.api, huey.utils):  # bound when they were imported, before time was virtual
            replace(module, "utcnow", _utcnow)
        replace(huey.api, "time", SimpleNamespace(time=_unwatched(time.time), monotonic=_unwatched(time.monotonic)))
        replace(logging.getLogger("huey"), "disabled", True)  # the report tells of every failure that matters
        yield


def _utcnow() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def _unwatched(clock: Callable[[], float]) -> Callable[[], float]:
    """A clock for Huey itself, so that it does not count as the job that looks at the time."""
    return lambda: clock()


def _policy(task: Any) -> RetryPolicy:
    """`retry_delay`, and each time `retry_backoff` times more (huey/api.py: `Huey._requeue_task`, 3.5)."""
    if not task.retries or task.retries == math.inf:
        return RetryPolicy(executions=1, source="Huey without retries")
    return RetryPolicy.exponential(
        task.retries + 1, task.retry_delay or 0, base=task.retry_backoff or 1, source="Huey's retries"
    )


def _terms(task: Any) -> Terms:
    return Terms(
        system="Huey",
        level="delivery",
        after_kill=AfterKill.LOST,
        because="a worker takes the task out of the queue before it runs, and nothing puts it back, not even retries=",
        setting="a periodic task that finds unfinished work and enqueues it again (Huey itself has no such setting)",
        retries="" if task.retries else "@huey.task(retries=3, retry_delay=60)",
        duplicates="retries=, a process worker that outlives its consumer, or a caller that enqueues it again",
        soft_limit=task.timeout or None,
        timeout=TaskTimeout,
        dead_letter="nowhere: its error is its result",
        remarks=(_THREADS,) if task.timeout else (),
    )


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if any(error.args) else type(error).__name__
