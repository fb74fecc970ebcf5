"""TaskiqAdapter: tasks of TaskIQ, run by its `Receiver` with dependencies and middleware, but without a broker."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import inspect
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from typing import Any

import taskiq
import taskiq.receiver.receiver
from taskiq.exceptions import NoResultError
from taskiq.kicker import AsyncKicker
from taskiq.receiver import Receiver
from taskiq.result_backends.dummy import DummyResultBackend

from jobchaos.adapters.direct_calls import DirectCalls
from jobchaos.adapters.execution import Executing, defined_at, replacing
from jobchaos.adapters.taskiq_terms import CancelledError, policy_of, terms_of
from jobchaos.core.adapter import Around
from jobchaos.core.job import Job
from jobchaos.core.redelivery import GivenUp, Redelivery, message
from jobchaos.core.sent import Sent
from jobchaos.errors import UsageError

_again: ContextVar[list[dict[str, Any]] | None] = ContextVar("jobchaos_taskiq_again", default=None)
_AGAIN = frozenset({"_retries", "X-Taskiq-requeue"})
"""The labels of a message that is sent again: by a middleware, or by `Context.requeue`."""
_IDS = uuid.UUID("6a6f6263-6861-6f73-8000-7461736b6971")


class TaskiqAdapter:
    """See `Adapter`."""

    name = "TaskIQ"

    def recognises(self, thing: object) -> bool:
        """See `Adapter.recognises`."""
        return isinstance(thing, taskiq.AsyncTaskiqDecoratedTask | AsyncKicker)

    def job(self, thing: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """See `Adapter.job`."""
        thing = _labelled(thing) if isinstance(thing, AsyncKicker) else thing
        message_id = str(uuid.uuid5(_IDS, f"{thing.task_name}{args!r}{sorted(kwargs.items())!r}"))
        broker = thing.broker

        @functools.wraps(thing.original_func)
        async def receive(*args: Any, **kwargs: Any) -> Any:
            carried = message()
            labels = carried if isinstance(carried, dict) else thing.labels
            sent = AsyncKicker(thing.task_name, broker, dict(labels)).with_task_id(message_id)
            delivery = _Delivery(broker)
            return await delivery.of(sent._prepare_message(*args, **kwargs))  # noqa: SLF001 - `kiq` would send it

        receive.__signature__ = _signature(thing.original_func)  # type: ignore[attr-defined]
        name = thing.task_name.rpartition(":")[2]
        during = functools.partial(_detached, broker)
        job = Job.delivered(receive, args, kwargs, name=name, terms=terms_of(thing), during=during, home=broker)
        return job.with_policy(policy_of(thing))

    def child(self, sent: Sent, home: Any) -> Job | None:
        """See `Follower.child`."""
        task = home.find_task(sent.options["task"])
        return None if task is None else self.job(task, sent.args, sent.kwargs)

    @contextlib.contextmanager
    def executions(self, around: Around) -> Iterator[None]:
        """See `Adapter.executions`: of messages in any broker's receiver, and of direct calls."""
        run_task, call = Receiver.run_task, taskiq.AsyncTaskiqDecoratedTask.__call__

        async def watched(receiver: Any, target: Any, message: Any, *rest: Any, **options: Any) -> Any:
            def run() -> Any:
                return run_task(receiver, target, message.model_copy(deep=True), *rest, **options)

            task = receiver.broker.find_task(message.task_name)
            described = message.task_name, defined_at(target), message.task_id, terms_of(task)
            return await around(Executing(*described, run, is_async=True, failed=lambda result: result.is_err))

        def called(task: Any, *args: Any, **kwargs: Any) -> Any:
            run: Callable[[], Any] = functools.partial(call, task, *args, **kwargs)
            is_async = inspect.iscoroutinefunction(task.original_func)
            site, terms = defined_at(task.original_func), terms_of(task)
            return around(Executing(task.task_name, site, "", terms, run, is_async=is_async))

        with replacing() as replace, DirectCalls(around) as direct:
            replace(Receiver, "run_task", watched)
            replace(taskiq.AsyncTaskiqDecoratedTask, "__call__", called)
            direct.watch_made(
                replace,
                taskiq.AsyncTaskiqDecoratedTask,
                lambda task: (task.original_func, task.task_name, lambda: terms_of(task)),
            )
            yield


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """What a sender has to give: not what `Annotated[..., TaskiqDepends(...)]` stands for, and which has no default."""
    signature = inspect.signature(function)
    given = [parameter for parameter in signature.parameters.values() if "Depend" not in str(parameter.annotation)]
    return signature.replace(parameters=given)


def _labelled(kicker: Any) -> Any:
    """The task that a kicker sends, as that sends it."""
    task = kicker.broker.find_task(kicker.task_name)
    if task is None:
        raise UsageError(f"{type(kicker.broker).__name__} knows no task {kicker.task_name!r}: import its module")
    labelled = copy.copy(task)
    labelled.broker, labelled.labels = kicker.broker, kicker.labels
    return labelled


class _Delivery:
    """One message on its way through a receiver, which catches everything, also what is to end the worker."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self._receiver = Receiver(broker, executor=_Here(), run_startup=False, max_async_tasks=1)
        self._run_task = self._receiver.run_task
        self._receiver.run_task = self._run
        self._death: BaseException | None = None
        self._result: Any = None

    async def of(self, sent: Any) -> Any:
        """Receive the message; return what the task returns, or raise what becomes of it."""
        again: list[Any] = []
        token = _again.set(again)
        try:
            await self._receiver.callback(self._broker.formatter.dumps(sent).message)
        finally:
            _again.reset(token)
        if self._death is not None:
            raise self._death
        if again:
            delay = float(again[0].get("delay", 0))
            raise Redelivery(f"{self._told()}, to be retried in {delay:g} s", round(delay * 10**9), again[0])
        if self._result is None or isinstance(self._result.error, NoResultError):  # it is done, and says no more
            return None
        if not self._result.is_err:
            return self._result.return_value
        raise GivenUp(self._result.error)

    async def _run(self, target: Callable[..., Any], message: Any, ack_controller: Any = None) -> Any:
        self._result = await self._run_task(target=self._watched(target), message=message)
        return self._result

    def _watched(self, target: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(target):

            @functools.wraps(target)
            async def run_later(*args: Any, **kwargs: Any) -> Any:
                with self._noticing():
                    return await target(*args, **kwargs)

            return run_later

        @functools.wraps(target)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._noticing():
                return target(*args, **kwargs)

        return run

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except CancelledError:
            raise TimeoutError from None
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as death:
            self._death = death
            raise

    def _told(self) -> str:
        return type(self._result.error).__name__ if self._result is not None else "retry"


class _Here(Executor):
    """Runs synchronous tasks in the thread of the event loop: no other thread is under control."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor.submit`."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            future.set_exception(error)
        return future


@contextlib.contextmanager
def _detached(broker: Any) -> Iterator[None]:
    """Hear of retries, store no results, and send nothing."""

    async def heard(sent: Any) -> None:
        again = _again.get()
        if again is not None and not _AGAIN.isdisjoint(sent.labels):
            again.append(dict(sent.labels))
        else:
            await type(broker).kick(broker, sent)

    with replacing() as replace:
        replace(broker, "kick", heard)
        replace(broker, "result_backend", DummyResultBackend())
        # That the receiver looks at the time is not the task's doing.
        replace(taskiq.receiver.receiver, "time", functools.partial(_called, time.time))
        # freezegun remembers which names of a module to replace, for as long as the module has the same names.
        replace(taskiq.receiver.receiver, "time_is_its_own", True)
        replace(logging.getLogger("taskiq"), "disabled", True)  # the report tells of every failure that matters
        replace(logging.getLogger("taskiq.receiver.receiver"), "disabled", True)
        yield


def _called(clock: Callable[[], float]) -> float:
    return clock()
