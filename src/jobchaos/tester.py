"""Tester: what waits and sleeps, replaced for the thread that runs a test, and for threads that it starts."""

# ruff: noqa: SLF001 - what `Condition.wait` does inside, done again

from __future__ import annotations

import asyncio
import contextlib
import queue
import selectors
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobchaos.clock.loop import OWN_DESCRIPTORS, VirtualLoop, VirtualSelector, is_virtual
from jobchaos.clock.patience import ANSWER, Ready, listen
from jobchaos.clock.virtual import VirtualClock
from jobchaos.company import Company, Signal
from jobchaos.lock_waits import LockWaits
from jobchaos.probes.base import Patches
from jobchaos.probes.bindings import Bindings

_SECOND = 10**9
_SLICE = 0.001  # real seconds between two looks at a thread that may have ended
_Condition: Any = threading.Condition
_TIMED = {one.__code__ for one in (queue.Queue.get, queue.Queue.put, _Condition.wait_for, threading.Semaphore.acquire)}
"""They measure what is left of a timeout, across several waits."""


class Tester:
    """Sleeping and waiting end in virtual time, unless another thread is at work.

    Args:
        clock: Virtual time.
        threads: See `Company`.
    """

    def __init__(self, clock: VirtualClock, threads: Iterable[threading.Thread] = ()) -> None:
        self.sleeps: list[float] = []
        """Seconds slept, in order."""
        self.company = Company(clock, threads)
        self._clock = clock
        self._start = clock.now()
        self._moment = _Moment()
        self._starting = threading.local()

    @contextlib.contextmanager
    def watching(self, bindings: Bindings) -> Iterator[None]:
        """Adopt threads that the test starts, record its sleeps, and let it wait in virtual time."""
        patches = Patches()
        try:
            patches.set(threading.Thread, "start", self._adopting(threading.Thread.start))
            patches.set(_Condition, "wait", self._waiting(_Condition.wait))
            patches.set(threading.Thread, "join", self._joining(threading.Thread.join))
            LockWaits(self.company).install(patches)
            for module, name in ((threading, "_time"), (queue, "time")):
                patches.set(module, name, self._measuring(vars(module)[name]))
            genuine, sleeping = time.sleep, self._sleeping(time.sleep)
            patches.set(time, "sleep", sleeping)
            bindings.replace(genuine, sleeping)
            awaits, recording = asyncio.sleep, self._recording(asyncio.sleep)
            patches.set(asyncio.tasks, "sleep", recording)
            patches.set(asyncio, "sleep", recording)
            bindings.replace(awaits, recording)
            patches.set(asyncio.BaseEventLoop, "run_forever", self._running(asyncio.BaseEventLoop.run_forever))
            yield
        finally:
            patches.undo()

    def _is_replaced(self) -> bool:
        return self.company.is_here() and not getattr(self._starting, "one", False)

    def _adopting(self, genuine: Callable[..., None]) -> Callable[..., None]:
        def start(thread: threading.Thread) -> None:
            if self.company.is_here():
                self.company.add(thread)
            self._starting.one = True  # that it has begun is not waited for in virtual time
            try:
                genuine(thread)
            finally:
                self._starting.one = False

        return start

    def _sleeping(self, genuine: Callable[[float], None]) -> Callable[[float], None]:
        def sleep(seconds: float, /) -> None:
            if not self._is_replaced():
                genuine(seconds)
                return
            if seconds < 0:
                raise ValueError("sleep length must be non-negative")
            self.sleeps.append(seconds)
            self.company.sleep(round(seconds * _SECOND))

        return sleep

    def _recording(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        async def sleep(delay: float, result: Any = None) -> Any:
            if self.company.is_here():
                self.sleeps.append(delay)
                if not isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop):  # as uvloop's
                    self._clock.advance(max(0, round(delay * _SECOND)))
                    delay = 0
            return await genuine(delay, result)

        return sleep

    def _running(self, genuine: Callable[[Any], None]) -> Callable[[Any], None]:
        """For loops that were made before the test, by a plugin as pytest-asyncio."""

        def run_forever(loop: Any) -> None:
            if not self.company.is_here() or is_virtual(loop) or not isinstance(loop, asyncio.SelectorEventLoop):
                genuine(loop)
                return
            selector, began, start = loop._selector, loop.time(), self._clock.now()  # type: ignore[attr-defined]
            waits = Waits(self.company, selector, loop)
            loop._selector = VirtualSelector(selector, lambda: False, waits.listen, waits.idle)  # type: ignore[attr-defined]
            loop.time = lambda: began + (self._clock.now() - start) / _SECOND  # type: ignore[method-assign]
            try:
                genuine(loop)
            finally:
                loop._selector = selector  # type: ignore[attr-defined]
                del loop.time

        return run_forever

    def _waiting(self, genuine: Callable[..., bool]) -> Callable[..., bool]:
        def wait(condition: Any, timeout: float | None = None) -> bool:
            if not self._is_replaced():
                return genuine(condition, timeout)
            if not condition._is_owned():
                raise RuntimeError("cannot wait on un-acquired lock")
            waiter = Signal()
            condition._waiters.append(waiter)
            saved = condition._release_save()
            notified, before = False, self._clock.now()
            try:
                notified = self.company.wait(waiter, _nanoseconds(timeout))
                return notified
            finally:
                passed = (self._clock.now() - before) / _SECOND
                if self._moment.seconds is not None:
                    self._moment.seconds += passed if notified or timeout is None else timeout
                condition._acquire_restore(saved)
                if not notified and waiter in condition._waiters:
                    condition._waiters.remove(waiter)

        return wait

    def _joining(self, genuine: Callable[..., None]) -> Callable[..., None]:
        def join(thread: threading.Thread, timeout: float | None = None) -> None:
            is_other = thread.is_alive() and thread is not threading.current_thread()
            if not (is_other and self._is_replaced()):
                genuine(thread, timeout)
            elif self.company.wait(_End(thread, genuine), _nanoseconds(timeout), alone=True):
                genuine(thread)

        return join

    def _measuring(self, genuine: Callable[[], float]) -> Callable[[], float]:
        """The clock by which queues and semaphores tell what is left of a timeout, across several waits."""

        def monotonic() -> float:
            if self.company.is_own():
                # Counted from now on: seconds since the epoch, as a float, lose the nanoseconds.
                return (self._clock.now() - self._start) / _SECOND
            # Others may still wait when virtual time is over, and go on in real time.
            if sys._getframe(1).f_locals.get("endtime") is None or self._moment.seconds is None:
                self._moment.seconds = genuine()
            return self._moment.seconds

        return monotonic


class _Moment(threading.local):
    """What `monotonic` has last been for a thread that waits with a timeout, with what has passed since then."""

    seconds: float | None = None


class TestersLoop(VirtualLoop):
    """An event loop of a test, whose timers fire when its other threads wait, too.

    Args:
        clock: Virtual time.
        company: The threads.
    """

    def __init__(self, clock: VirtualClock, company: Company) -> None:
        super().__init__(clock, lambda: None)
        self._company = company

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]  # newer stubs know more
        if executor is None or isinstance(executor, ThreadPoolExecutor):  # its threads are of the company
            return asyncio.SelectorEventLoop.run_in_executor(self, executor, func, *args)
        return super().run_in_executor(executor, func, *args)

    async def shutdown_default_executor(self, *args: Any) -> None:
        await asyncio.SelectorEventLoop.shutdown_default_executor(self, *args)

    def _idle(self, timeout: float | None) -> Ready:
        return Waits(self._company, self._genuine, self).idle(timeout)


class Waits:
    """How a loop of a test waits: see `VirtualSelector`.

    Args:
        company: The threads.
        selector: The loop's own.
        loop: The loop.
    """

    def __init__(self, company: Company, selector: selectors.BaseSelector, loop: Any) -> None:
        self._company = company
        self._selector = selector
        self._loop = loop

    def listen(self, timeout: float | None) -> Ready:
        """Wait in real time, if there are any connections."""
        if len(self._selector.get_map()) <= OWN_DESCRIPTORS:
            return []
        return self._selector.select(ANSWER) if timeout is None else listen(self._loop, self._selector, timeout)

    def idle(self, timeout: float | None) -> Ready:
        """Wait in virtual time."""
        selected = _Selected(self._selector, self._loop._write_to_self)
        self._company.wait(selected, None if timeout is None else max(1, round(timeout * _SECOND)))
        return selected.ready


class _End:
    """The end of a thread."""

    def __init__(self, thread: threading.Thread, join: Callable[..., None]) -> None:
        self._thread = thread
        self._join = join

    def comes(self, seconds: float) -> bool:
        self._join(self._thread, min(seconds, _SLICE))
        return self.has_come()

    def has_come(self) -> bool:
        return not self._thread.is_alive()

    def wake(self) -> None:
        pass


class _Selected:
    """What an event loop has registered, or that a thread wakes it."""

    def __init__(self, selector: selectors.BaseSelector, wake: Callable[[], None]) -> None:
        self.ready: Ready = []
        self.wake = wake
        self._selector = selector

    def comes(self, seconds: float) -> bool:
        self.ready = self._selector.select(seconds)
        return bool(self.ready)

    def has_come(self) -> bool:
        try:
            return bool(self._selector.select(0))
        except (OSError, ValueError):  # the loop has gone on, and was closed
            return True


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * _SECOND)
