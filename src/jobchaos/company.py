"""Company: the thread that runs a test, and the threads that it starts, among which virtual time passes.

Problem: time must not pass while one of them is at work, or who waits for it would time out. It must not stand still
when all of them wait, or nobody would ever wake up. And it must not pass because a thread beside the test sleeps in a
loop.

Solution: the test's own thread lets it pass, by advancing it, sleeping or waiting. It then goes from one thread's
wake-up to the next one's, each time when all others wait again. The other threads sleep until then.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from jobchaos.clock.freeze import wall_seconds
from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.frames import frames_of_threads
from jobchaos.probes.bystanders import is_the_projects, waits

_SECOND = 10**9
_SLICE = 0.0005  # real seconds between two looks at the others
_LOOK = 0.02  # the same, at what the test's own thread does
_LONG = 60.0  # the same, of who has nothing to look at
_MOMENT = 0.05  # real seconds for who waits elsewhere, and may just have been woken
_STILL = 1.0  # real seconds that a call in C takes at most, unless it waits for something
_PATIENCE = 10.0  # real seconds after which time passes although somebody is at work
_STEPS = 1000  # wake-ups of others, after which time jumps: one that polls must not keep a test for hours


class Awaited(Protocol):
    """What a thread waits for."""

    def comes(self, seconds: float) -> bool:
        """Wait for so many real seconds; True, once, if it has come."""

    def has_come(self) -> bool:
        """True if `comes` would be at once."""

    def wake(self) -> None:
        """Let `comes` return earlier, if possible; called by another thread."""


class Signal:
    """Something that another thread releases, as `Condition.notify` does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._is_released = False

    def release(self) -> None:
        """Let it come."""
        self._is_released = True
        self.wake()

    def comes(self, seconds: float) -> bool:
        """See `Awaited.comes`."""
        if seconds and not self._is_released:
            self._lock.acquire(True, seconds)
        return self._is_released

    def has_come(self) -> bool:
        """See `Awaited.has_come`."""
        return self._is_released

    def wake(self) -> None:
        """See `Awaited.wake`."""
        with contextlib.suppress(RuntimeError):  # it has been released
            self._lock.release()


@dataclass(frozen=True, slots=True)
class _Wait:
    awaited: Awaited
    deadline: int | None


_Spot = tuple[int, int]
"""Where a thread is: its frame, and how far it is there."""


class Company:
    """See the module; made by the thread that runs the test.

    Args:
        clock: Virtual time.
        threads: Others that belong to it from the beginning.
    """

    def __init__(self, clock: VirtualClock, threads: Iterable[threading.Thread]) -> None:
        self._clock = clock
        self._own = threading.get_ident()
        self._threads = {threading.current_thread(), *threads}
        self._in_real_waits = {thread.ident for thread in threads}  # which they began before
        self._waits: dict[int, _Wait] = {}  # by thread
        self._returns = 0
        self._is_led = False
        self._spots: dict[int, tuple[_Spot, float]] = {}  # by thread, and since when it has been there

    def is_here(self) -> bool:
        """True if the calling thread belongs to it."""
        return threading.current_thread() in self._threads

    def is_own(self) -> bool:
        """True if the calling thread runs the test."""
        return threading.get_ident() == self._own

    def add(self, thread: threading.Thread) -> None:
        """A thread belongs to it from now on."""
        self._threads.add(thread)

    def leave(self) -> bool:
        """The test is over, and its own thread does not belong to it any more.

        Returns:
            True if there are others.
        """
        self._threads = {thread for thread in list(self._threads) if thread.is_alive() and thread.ident != self._own}
        return bool(self._threads)

    def sleep(self, nanoseconds: int) -> None:
        """Let time pass, if that is for the calling thread to do; else wait until it has."""
        self.wait(Signal(), nanoseconds, alone=True)

    def wait(self, awaited: Awaited, nanoseconds: int | None, *, alone: bool = False) -> bool:
        """Wait for something, in virtual time.

        Args:
            awaited: What for.
            nanoseconds: How long at most.
            alone: Whether threads that are not of the company cannot end it.

        Returns:
            False if the time has passed.
        """
        if awaited.comes(0):
            return True
        if nanoseconds is not None and nanoseconds <= 0:
            return False
        deadline = None if nanoseconds is None else self._clock.now() + nanoseconds
        if not self.is_own():
            return self._follow(awaited, nanoseconds, deadline)
        self._is_led = True
        try:
            return self._lead(awaited, deadline, alone=alone)
        finally:
            self._is_led = False

    def _lead(self, awaited: Awaited, deadline: int | None, *, alone: bool) -> bool:
        steps, since = 0, wall_seconds()
        while not awaited.comes(0):
            if wall_seconds() - since < _PATIENCE and not self._all_wait(since, alone=alone):
                if awaited.comes(_SLICE):
                    return True
                continue
            if deadline is not None and self._clock.now() >= deadline:
                return False
            since, steps = wall_seconds(), steps + 1
            moment = self._next(deadline, jumps=steps > _STEPS)
            if moment is not None:
                self._pass_until(moment)
            elif awaited.comes(_SLICE):  # as in earnest
                return True
        return True

    def _next(self, deadline: int | None, *, jumps: bool) -> int | None:
        """When somebody wakes up next; None if nobody ever does."""
        moments = [wait.deadline for wait in list(self._waits.values()) if wait.deadline is not None]
        if deadline is not None:
            moments = [deadline] if jumps else [*moments, deadline]
        return min(moments, default=None)

    def _pass_until(self, moment: int) -> None:
        self._clock.advance(max(0, moment - self._clock.now()))
        for wait in list(self._waits.values()):
            if wait.deadline is not None and wait.deadline <= moment:
                wait.awaited.wake()

    def _follow(self, awaited: Awaited, nanoseconds: int | None, deadline: int | None) -> bool:
        """As long as it would take in earnest at most: the test's thread may be busy, or wait where nobody sees it."""
        if nanoseconds is None or deadline is None:
            with self._waiting(_Wait(awaited, None)):
                while not awaited.comes(_LONG):
                    pass
            return True
        end = wall_seconds() + nanoseconds / _SECOND
        with self._waiting(_Wait(awaited, deadline)):
            while self._clock.now() < deadline:
                stands, left = self._own_stands(), end - wall_seconds()
                if left <= 0:
                    if stands:
                        self._clock.advance(max(0, deadline - self._clock.now()))
                    return False
                if awaited.comes(min(_LOOK, left)):
                    return True
        return False

    @contextlib.contextmanager
    def _waiting(self, wait: _Wait) -> Iterator[None]:
        self._waits[threading.get_ident()] = wait
        self._in_real_waits.discard(threading.get_ident())
        try:
            yield
        finally:
            self._returns += 1
            del self._waits[threading.get_ident()]

    def _all_wait(self, since: float, *, alone: bool) -> bool:
        """True if nobody else is at work; the calling thread has stood where it is since then."""
        others = {thread.ident for thread in list(self._threads) if thread.is_alive()} - {self._own}
        if not others and alone:
            return True
        returns = self._returns
        # Twice, as one of them may have woken another one that was looked at before.
        all_wait = all(self._wait_once(others, alone=alone, believed=since + _MOMENT) for _ in range(2))
        return all_wait and self._returns == returns

    def _wait_once(self, others: set[int | None], *, alone: bool, believed: float) -> bool:
        frames = frames_of_threads()
        if not alone:
            members = {thread.ident for thread in list(self._threads)}
            others |= {ident for ident, frame in frames.items() if ident not in members and is_the_projects(frame)}
        waiting = [self._waits_there(ident, frames.get(ident), believed) for ident in others if ident is not None]
        return all(waiting)

    def _waits_there(self, ident: int, frame: FrameType | None, believed: float) -> bool:
        wait = self._waits.get(ident)
        if wait is not None:
            return not wait.awaited.has_come() and (wait.deadline is None or wait.deadline > self._clock.now())
        if frame is None:
            return False  # it begins, or ends
        is_wait = waits(frame) and ident not in self._in_real_waits
        return (is_wait or self._stands(ident, frame)) and wall_seconds() >= believed

    def _stands(self, ident: int, frame: FrameType) -> bool:
        """True if a thread has been where it is for a while."""
        here, now = (id(frame), frame.f_lasti), wall_seconds()
        spot, since = self._spots.get(ident, (None, now))
        self._spots[ident] = here, since if spot == here else now
        return spot == here and now - since >= _STILL

    def _own_stands(self) -> bool:
        """True if the test's thread waits where nobody sees it."""
        frame = None if self._is_led else frames_of_threads().get(self._own)
        if frame is None:
            self._spots.pop(self._own, None)
            return False
        return self._stands(self._own, frame)
