"""FakeClock: virtual time for a test of the user's own, without any check."""

from __future__ import annotations

import contextlib
import datetime
import math
import threading
import time
from collections.abc import Iterable, Iterator
from typing import cast

from jobchaos.clock.freeze import Frozen, wall_seconds
from jobchaos.clock.held import all_held_clocks
from jobchaos.clock.virtual import VirtualClock
from jobchaos.company import Company
from jobchaos.core.ports import Control, Worker
from jobchaos.errors import UsageError
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.event_loops import EventLoopProbe
from jobchaos.tester import Tester, TestersLoop

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_SECOND = 10**9


class FakeClock:
    """Time as the running test's thread, and threads that it starts, see it; it moves only when told to, or slept."""

    def __init__(self) -> None:
        self._clock: VirtualClock | None = None
        self._tester = Tester(VirtualClock(0))

    @property
    def sleeps(self) -> list[float]:
        """Seconds of every `time.sleep` and `asyncio.sleep` of the test so far, in order."""
        return self._tester.sleeps

    def now(self) -> datetime.datetime:
        """The present moment, in UTC.

        Raises:
            UsageError: Outside the test function.
        """
        return _EPOCH + datetime.timedelta(microseconds=self._running().now() // 1000)

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Args:
            seconds: How much of it.

        Raises:
            UsageError: If it is no number, negative or infinite; outside the test function.
        """
        if type(seconds) not in (int, float) or not 0 <= seconds < math.inf:
            raise UsageError(
                f"fake_clock.advance() takes a number of seconds that is not negative, got {seconds!r}. Time only "
                "moves forward: to begin earlier, use @pytest.mark.jobchaos(now=...)."
            )
        self._running()
        self._tester.company.sleep(round(seconds * _SECOND))

    @contextlib.contextmanager
    def running(self, start: int | None, module: str = "", threads: Iterable[threading.Thread] = ()) -> Iterator[None]:
        """Show virtual time to the calling thread and to threads that it starts.

        Args:
            start: Nanoseconds since the epoch; None for the present moment.
            module: Name of the test's module: functions that it, and modules that it uses, keep show the time, too.
            threads: Others that belong to the test.
        """
        uptime = math.ceil(time.monotonic()) * _SECOND  # for threads that have looked at it before, it never goes back
        clock = VirtualClock(time.time_ns() if start is None else start, uptime)
        tester = Tester(clock, threads)
        control = _Control(clock, tester.company)
        bindings = Bindings()
        loops = EventLoopProbe(bindings, lambda: TestersLoop(clock, tester.company))
        with contextlib.ExitStack() as undo:
            undo.enter_context(Frozen(clock, control.current))
            undo.enter_context(tester.watching(bindings))
            undo.callback(loops.remove)
            loops.install(control)
            undo.callback(bindings.remove)
            bindings.install(control)
            for held in all_held_clocks([module]):
                undo.callback(held.show())
            self._clock, self._tester = clock, tester
            control.shows_time = True
            try:
                yield
            finally:
                control.shows_time = False
                self._clock = None

    def leave(self) -> bool:
        """The test function is over: its thread sees real time. Others go on, and time passes by itself.

        Returns:
            True if there are others.
        """
        clock, self._clock = self._running(), None
        since = wall_seconds()
        clock.follow(lambda: round((wall_seconds() - since) * _SECOND))
        return self._tester.company.leave()

    def _running(self) -> VirtualClock:
        if self._clock is None:
            raise UsageError(
                "fake_clock only works while the test function itself runs, and that has to name fake_clock among its "
                "arguments. In setup and teardown time is real, or pytest's durations would be wrong."
            )
        return self._clock


class _Control(Control):
    """Nothing is checked: there are no hosts to refuse, and nobody to let go of."""

    copy = ""
    shares_time = False

    def __init__(self, clock: VirtualClock, company: Company) -> None:
        self._clock = clock
        self._company = company
        self.shows_time = False
        """Not while only a part of the freeze is in place, which would show a thread another time."""

    def let_go(self) -> None:
        """See `Control.let_go`."""

    def hidden(self) -> contextlib.AbstractContextManager[None]:
        """See `Control.hidden`."""
        return contextlib.nullcontext()

    @property
    def clock(self) -> VirtualClock:
        return self._clock

    def current(self) -> Worker | None:
        """Somebody, if the calling thread belongs to the test: no probe asks who."""
        return cast("Worker", self) if self.shows_time and self._company.is_here() else None

    def check_host(self, host: str) -> None:
        return
