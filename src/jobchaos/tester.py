"""Tester: the running test, as the probes of sleeping and waiting see it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from jobchaos.clock.loop import is_virtual
from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.effect import Effect
from jobchaos.core.hang import Hang
from jobchaos.core.ports import Worker
from jobchaos.probes.base import Patches
from jobchaos.probes.bindings import Bindings

T = TypeVar("T")

_SECOND = 10**9
_POLL = 0.01  # real seconds between two looks at what has no timeout
_real_sleep = time.sleep


class Tester:
    """The thread that runs a test, and threads that it starts, as one worker that nobody schedules.

    Sleeping and waiting end at once, in virtual time, unless another thread is at work.

    Args:
        clock: Virtual time.
    """

    copy = ""
    attempt = 1
    dead = False

    def __init__(self, clock: VirtualClock) -> None:
        self.sleeps: list[float] = []
        """Seconds slept, in order."""
        self._clock = clock
        self._ident = threading.get_ident()
        self._threads = weakref.WeakSet([threading.current_thread()])
        self._awaited: int | None = None

    def current(self) -> Worker | None:
        """The tester, if the calling thread belongs to the test."""
        return cast("Worker", self) if threading.current_thread() in self._threads else None

    def current_in_its_own_thread(self) -> Worker | None:
        """The tester, if the calling thread runs the test."""
        return cast("Worker", self) if threading.get_ident() == self._ident else None

    @contextlib.contextmanager
    def watching(self, bindings: Bindings) -> Iterator[None]:
        """Adopt threads that the test starts, and record `asyncio.sleep`."""
        patches = Patches()
        start, sleep = threading.Thread.start, asyncio.sleep

        def adopting(thread: threading.Thread) -> None:
            if self.current():
                self._threads.add(thread)
            start(thread)

        async def recording(delay: float, result: Any = None) -> Any:
            if self.current():
                self.sleeps.append(float(delay))
                if not is_virtual(asyncio.get_running_loop()):  # made before the test, by a plugin
                    self._clock.advance(max(0, round(delay * _SECOND)))
                    delay = 0
            return await sleep(delay, result)

        try:
            patches.set(threading.Thread, "start", adopting)
            patches.set(asyncio.tasks, "sleep", recording)
            patches.set(asyncio, "sleep", recording)
            bindings.replace(sleep, recording)
            yield
        finally:
            patches.undo()

    # What the probes of sleeping and waiting call, of all that a worker can do:

    def perform(self, effect: Effect, call: Callable[[], T], **_: Any) -> T:
        """See `Worker.perform`: a sleep."""
        before = self._clock.now()
        result = call()
        self.sleeps.append((self._clock.now() - before) / _SECOND)
        return result

    def wait(self, resource: str, deadline: int | None) -> bool:
        """See `Worker.wait`."""
        if deadline is None:
            _real_sleep(_POLL)  # for a thread of the test's
        elif self._clock.now() >= deadline:
            return False
        elif self._awaited == deadline:  # nobody came, so it is a timeout
            self._clock.advance(deadline - self._clock.now())
        self._awaited = deadline
        return True

    def ask(self, hang: Callable[[], Hang]) -> None:
        """See `Worker.ask`: everybody answers."""

    def unblock(self) -> None:
        """See `Worker.unblock`."""
        self._awaited = None
