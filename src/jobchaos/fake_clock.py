"""FakeClock: virtual time for a test of the user's own, without any check."""

from __future__ import annotations

import contextlib
import datetime
import functools
import math
import time
from collections.abc import Callable, Iterator

from jobchaos.clock.freeze import Frozen
from jobchaos.clock.held import held_clocks
from jobchaos.clock.loop import virtual_loop
from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.ports import Control, Worker
from jobchaos.errors import UsageError
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.event_loops import EventLoopProbe
from jobchaos.probes.sleep import SleepProbe
from jobchaos.probes.waits import WaitProbe
from jobchaos.tester import Tester

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
        self._running().advance(round(seconds * _SECOND))

    @contextlib.contextmanager
    def running(self, start: int | None, module: str = "") -> Iterator[None]:
        """Show virtual time to the calling thread and to threads that it starts.

        Args:
            start: Nanoseconds since the epoch; None for the present moment.
            module: Name of the test's module: functions that it, and modules that it uses, keep show the time, too.
        """
        clock = VirtualClock(time.time_ns() if start is None else start)
        tester = Tester(clock)
        control = _Control(clock, tester.current)
        bindings = Bindings()
        loop = EventLoopProbe(bindings, functools.partial(virtual_loop, clock, _nobody))
        with contextlib.ExitStack() as undo:
            undo.enter_context(Frozen(clock, tester.current))
            undo.enter_context(tester.watching(bindings))
            # A thread's waits stay real: a loop around `stop.wait(60)` would let years pass.
            own = _Control(clock, tester.current_in_its_own_thread)
            for probe, seen in ((SleepProbe(bindings), control), (loop, control), (WaitProbe(()), own)):
                undo.callback(probe.remove)
                probe.install(seen)
            undo.callback(bindings.remove)
            bindings.install(control)
            for held in held_clocks([module]):
                undo.callback(held.show())
            self._clock, self._tester = clock, tester
            try:
                yield
            finally:
                self._clock = None

    def _running(self) -> VirtualClock:
        if self._clock is None:
            raise UsageError(
                "fake_clock only works while the test function itself runs, and that has to name fake_clock among its "
                "arguments. In setup and teardown time is real, or pytest's durations would be wrong."
            )
        return self._clock


class _Control(Control):
    """Nothing is checked: there are no hosts to refuse, and nobody to let go of."""

    shares_time = False

    def __init__(self, clock: VirtualClock, current: Callable[[], Worker | None]) -> None:
        self._clock = clock
        self._current = current

    def let_go(self) -> None:
        """See `Control.let_go`."""

    def hidden(self) -> contextlib.AbstractContextManager[None]:
        """See `Control.hidden`."""
        return contextlib.nullcontext()

    @property
    def clock(self) -> VirtualClock:
        return self._clock

    def current(self) -> Worker | None:
        return self._current()

    def check_host(self, host: str) -> None:
        return


def _nobody() -> None:
    return None
