"""Gate: a coroutine that goes on only while its worker may move. Where it is suspended is a step."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Coroutine, Generator, Iterable
from types import FrameType
from typing import Any, Protocol

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.engine.death import WorkerKilled
from jobchaos.engine.sites import await_frames, await_site

_TOUCHES = (Touch("memory:", Mode.WRITE),)  # what the code between two awaits does to shared memory, nobody sees

Steps = Generator[Any, Any, Any]


class Keeper(Protocol):
    """The worker that a gate's coroutine belongs to."""

    @property
    def dead(self) -> bool:
        """True once it was killed."""

    def hold(self) -> Steps:
        """Suspend the running task until the worker may move.

        Returns:
            The cancellation that has come in the meantime, if any.
        """

    def arrive(self, effect: Effect) -> Steps:
        """Take the step at which a task is suspended, and be paused there or meet a fault. See `hold`.

        Raises:
            BaseException: The fault.
        """

    def go_on(self) -> None:
        """A task goes on after it was suspended."""

    def insist(self, suspended: Iterable[FrameType]) -> None:
        """A task awaits something although it is dead, with these frames."""

    def leave(self, error: BaseException) -> None:
        """A task other than the job's own has ended with this."""


class Gate(Coroutine[Any, Any, Any]):
    """Wraps a coroutine. Its own awaits, cancellation and result are passed on.

    Args:
        coroutine: What a job, or a task of it, runs.
        keeper: Its worker.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any], keeper: Keeper) -> None:
        self._coroutine = coroutine
        self._keeper = keeper
        self._steps: Steps | None = None
        self._error: BaseException | None = None

    def send(self, value: Any) -> Any:
        """See `Coroutine.send`. A gate that is sent to is a task of the job's."""
        if self._steps is None:
            self._steps = self._as_task()
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        """See `Coroutine.throw`."""
        if self._steps is None:
            self._coroutine.close()  # it was cancelled before it began
            self._steps = self._as_task()
        return self._steps.throw(*error)

    def close(self) -> None:
        """See `Coroutine.close`."""
        if self._steps is not None:
            self._steps.close()
        self._coroutine.close()

    def __await__(self) -> Steps:
        """Run the job itself, as a part of a task that is not gated."""
        keeper = self._keeper
        while True:
            try:
                awaited = self._resume()
            except StopIteration as end:
                return end.value
            if not keeper.dead:
                self._error = yield from self._suspended(awaited)
            if keeper.dead:
                keeper.insist(await_frames(self._coroutine))
                self._error = WorkerKilled()

    def _as_task(self) -> Steps:
        try:
            cancelled = yield from self._keeper.hold()
            if cancelled is not None:
                self._coroutine.close()
                raise cancelled
            return (yield from self.__await__())
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - it would stop the loop, or is a death that nobody awaits
            self._keeper.leave(error)
            raise asyncio.CancelledError from None

    def _resume(self) -> Any:
        error, self._error = self._error, None
        try:
            return self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        finally:
            del error  # or its traceback would keep it alive, with all that the job has open

    def _suspended(self, awaited: Any) -> Generator[Any, Any, BaseException | None]:
        """The coroutine awaits a future, or None. Take the step; return what is to be thrown into it, if anything."""
        try:
            cancelled: BaseException | None = yield from self._keeper.arrive(self._effect())
        except GeneratorExit:
            raise
        except BaseException as fault:  # noqa: BLE001 - it strikes the coroutine where it is suspended
            return fault
        if cancelled is not None and (awaited is None or not awaited.cancel()):
            return cancelled
        error: BaseException | None = None
        try:
            yield awaited
        except GeneratorExit:
            raise
        except BaseException as thrown:  # noqa: BLE001 - whatever the future has come to
            error = thrown
        error = (yield from self._keeper.hold()) or error
        self._keeper.go_on()
        return error

    def _effect(self) -> Effect:
        site = await_site(self._coroutine)
        text = "" if site is None else linecache.getline(site.file, site.line).strip()
        return Effect("await", text or "await", _TOUCHES, durable=True, site=site)
