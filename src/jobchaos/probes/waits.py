"""WaitProbe: a copy that waits for an event, a condition or a queue waits in the schedule, and in virtual time.

Who would end the wait is parked, and a timeout would take its time. `Event`, `Semaphore`, `Barrier`, `Queue` and
`Future` are Python code that does all its waiting in `Condition.wait`. So that method is the seam, together with
`Condition.__enter__` (its lock may be held by a parked copy), `Thread.join`, and the clock that those modules measure
what is left of a timeout with.
"""

# ruff: noqa: SLF001 - what `Condition.wait` does inside, done again

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterable, MutableMapping
from types import FrameType
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.contended import never_comes
from jobchaos.probes.remedies import remedy
from jobchaos.probes.synchronizers import TASK_KINDS, Synchronizers
from jobchaos.probes.turns import Turns, at_once

_SECOND = 10**9
_START = threading.Thread.start.__code__
_Condition: Any = threading.Condition


class WaitProbe(BaseProbe):
    """Replaces waiting for controlled workers.

    A wait for something that runs in earnest (a future of an executor, a thread that is at work) is one in earnest.

    Args:
        places: Closures and objects' attributes, by name, to know what is waited for.
        turns: How to wait.
    """

    def __init__(self, places: Iterable[MutableMapping[str, Any]], turns: Turns) -> None:
        self._places = tuple(places)
        self._turns = turns
        self._patches = Patches()
        self._bystanders = turns.bystanders
        self._synchronizers: Synchronizers | None = None
        self._control: Control | None = None
        self._stale = False

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._synchronizers = Synchronizers(self._places)
        self._bystanders.exclude()
        self._wait = self._patches.set(_Condition, "wait", self._replacing(_Condition.wait, self._wait_virtually))
        self._enter = self._patches.set(_Condition, "__enter__", self._replacing(_Condition.__enter__, self._take))
        self._join = self._patches.set(threading.Thread, "join", self._replacing(threading.Thread.join, self._join_it))
        self._patches.set(threading.Thread, "start", self._starting(threading.Thread.start))
        for module, name in ((threading, "_time"), (queue, "time")):
            self._patches.set(module, name, self._clock(vars(module)[name]))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._bystanders.include()
        self._control = self._synchronizers = None

    def enter(self, worker: Worker) -> None:
        """See `Probe.enter`."""
        self._bystanders.exclude()
        if self._synchronizers is not None:
            self._synchronizers.unbind()

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        self._bystanders.include()

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`: a new process knows nothing of the events of a dead one, nor of its event loop."""
        if self._synchronizers is not None:
            self._synchronizers.restore(threading.Event, *TASK_KINDS)

    def settle(self) -> None:
        """See `Probe.settle`. Not yet restored: a store may look at them."""
        self._stale = True

    def resume(self, worker: Worker) -> None:
        """See `Probe.resume`: the first move of a run finds everything as it was in the beginning."""
        if self._stale and self._synchronizers is not None:
            self._synchronizers.restore()
        self._stale = False

    def _replacing(self, genuine: Callable[..., Any], virtual: Callable[..., Any]) -> Callable[..., Any]:
        def method(owner: Any, *args: Any, **kwargs: Any) -> Any:
            worker = None if self._control is None else self._control.current()
            return genuine(owner, *args, **kwargs) if worker is None else virtual(worker, owner, *args, **kwargs)

        return method

    def _starting(self, genuine: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
        def start(thread: threading.Thread) -> None:
            worker = None if self._control is None else self._control.current()
            self._bystanders.started(thread, by_worker=worker is not None)
            genuine(thread)

        return start

    def _clock(self, genuine: Callable[[], float]) -> Callable[[], float]:
        control = self._control
        assert control is not None  # noqa: S101 - called by install
        # Counted from now on: seconds since the epoch, as a float, lose the nanoseconds.
        start = control.clock.now()

        def monotonic() -> float:
            return genuine() if control.current() is None else (control.clock.now() - start) / _SECOND

        return monotonic

    def _wait_virtually(self, worker: Worker, condition: Any, timeout: float | None = None) -> bool:
        """As `Condition.wait`, but for the two places where that would block."""
        if _is_for_a_thread():
            return self._wait_in_earnest(condition, timeout)
        if not condition._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        waiter = threading.Lock()
        waiter.acquire()
        condition._waiters.append(waiter)
        saved = condition._release_save()
        notified = False
        try:
            name = self._name(condition)
            # The job's own threads are no others that may be silent.
            hangs = not self._bystanders.are_jobs
            in_vain = hangs and never_comes(worker, name, timeout, remedy("wait(timeout=...)"))
            notified = not in_vain and self._turns.until(worker, _taking(waiter), name, self._turns.deadline(timeout))
            return notified
        finally:
            self._take(worker, condition)
            condition._lock.release()  # nobody else moves, so it is free for what puts back its recursion level, too
            condition._acquire_restore(saved)
            if not notified and waiter in condition._waiters:
                condition._waiters.remove(waiter)

    def _wait_in_earnest(self, condition: Any, timeout: float | None) -> bool:
        notified = bool(self._wait(condition, timeout))
        if not notified and timeout is not None and self._control is not None:
            self._control.clock.advance(round(max(timeout, 0) * _SECOND))
        return notified

    def _take(self, worker: Worker, condition: Any) -> bool:
        taking = _taking(condition._lock)
        if not at_once(taking):
            self._turns.until(worker, taking, self._name(condition))
        return True

    def _join_it(self, worker: Worker, thread: threading.Thread, timeout: float | None = None) -> None:
        if timeout is None:
            self._join(thread)
            return

        def ended(seconds: float) -> bool:
            self._join(thread, seconds)
            return not thread.is_alive()

        name = f"thread:{thread.name}"
        if not never_comes(worker, name, timeout, "join(timeout=...)"):
            self._turns.until(worker, ended, name, self._turns.deadline(timeout), thread=thread)

    def _name(self, condition: Any) -> str:
        return "" if self._synchronizers is None else self._synchronizers.name(condition)


def _taking(lock: Any) -> Callable[[float], bool]:
    return lambda seconds: bool(lock.acquire(True, seconds) if seconds else lock.acquire(False))


def _is_for_a_thread() -> bool:
    """True if what is waited for is a future of an executor, or that a new thread has begun: both take real time."""
    frame: FrameType | None = sys._getframe(3)  # the caller of Condition.wait
    for _ in range(4):  # directly or through an event, and there may be two of these probes
        if frame is None or frame.f_globals.get("__name__") == "concurrent.futures._base":
            return frame is not None
        if frame.f_code is _START:
            return True
        frame = frame.f_back
    return False
