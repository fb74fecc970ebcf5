"""Watch: the control that probes see while a suite runs. Nothing is held up; what tasks do is written down."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.effect import Effect, Foreign
from jobchaos.core.ports import Worker
from jobchaos.core.trace import Happening
from jobchaos.engine.attempt import Attempt
from jobchaos.engine.death import WorkerKilled
from jobchaos.engine.stage import Stage
from jobchaos.engine.world import World


class RealClock(VirtualClock):
    """Time as it is: in a suite that nobody has changed, it passes by itself."""

    def now(self) -> int:
        """See `Clock.now`."""
        return time.time_ns()

    def wall(self, letter: str) -> int:
        """See `Clock.wall`."""
        return time.time_ns()

    def elapsed(self) -> int:
        """See `Clock.elapsed`."""
        return time.monotonic_ns()


class Delivery(Attempt):
    """One delivery of a task to the thread that executes it; by default without any limit."""

    def __init__(self, number: int, stage: Watch) -> None:
        super().__init__("A", number, stage, self)
        self.standing.credit = None
        self.below: Worker | None = None
        """Within which delivery this one takes place."""

    def wait(self, resource: str, deadline: int | None, *, served: bool = False) -> bool:
        """See `Worker.wait`: the driver has waited in real time."""
        return False

    def park(self) -> None:
        """See `Vessel.park`: there is nobody to wait for."""
        self.standing.credit = None

    def die(self) -> None:
        """See `Vessel.die`."""
        raise WorkerKilled


_current: ContextVar[Worker | None] = ContextVar("jobchaos_delivery", default=None)


class Watch(Stage):
    """The stage of a whole session. One delivery may take place inside another, or in a task of an event loop.

    Args:
        note: Is told of every effect, once it has happened or failed: the effect, and whether it was applied.
        foreign_host: Is told of hosts other than this machine.
    """

    def __init__(self, note: Callable[[Effect, bool], None], foreign_host: Callable[[str], None]) -> None:
        super().__init__(RealClock(0), World(lambda _: None))
        self.registry = Unregistered()
        self._tell = note
        self._foreign_host = foreign_host

    def current(self) -> Worker | None:
        """See `Stage.current`."""
        return _current.get()

    def let_go(self) -> None:
        """See `Stage.let_go`."""
        _current.set(None)

    def enter(self, worker: Worker) -> None:
        """See `Stage.enter`."""
        if isinstance(worker, Delivery):
            worker.below = _current.get()
        _current.set(worker)
        for probe in self.heeding("enter"):
            probe.enter(worker)

    def leave(self, worker: Worker) -> None:
        """See `Stage.leave`."""
        for probe in self.heeding("leave"):
            probe.leave(worker)
        _current.set(worker.below if isinstance(worker, Delivery) else None)

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """See `Stage.hidden`."""
        worker = _current.get()
        _current.set(None)
        try:
            yield
        finally:
            _current.set(worker)

    def check_host(self, host: str) -> None:
        """See `Control.check_host`: the suite reaches it without us, too; but it must not be reached again."""
        try:
            super().check_host(host)
        except Exception:  # noqa: BLE001 - whatever it refuses with
            self.error = None
            self._foreign_host(host)

    def note(
        self,
        happening: Happening,
        copy: str,
        attempt: int,
        effect: Effect | None,
        detail: str,
        *,
        applied: bool = True,
        changed: bool = True,
    ) -> Callable[[str], None]:
        """See `Stage.note`."""
        if happening is Happening.EFFECT and effect is not None:
            worker = self.current()
            if isinstance(worker, Delivery) and worker.standing.credit is None:
                worker.standing.steps = 0  # what would be an endless loop in a check may be a long task here
            self._tell(effect, applied)
        return _forget

    def oddity(self, code: str, message: str) -> None:
        """See `Stage.oddity`: what a suite's own tasks do besides is not judged here."""


class Unregistered:
    """Where nothing is registered, as nobody is going to compare states."""

    def announce(self, resource: str) -> None:
        """See `Registry.announce`."""

    def record(self, foreign: Foreign) -> None:
        """See `Registry.record`."""

    def knows(self, foreign: Foreign) -> bool:
        """See `Registry.knows`."""
        return False


def _forget(_detail: str) -> None:
    """Nobody reads the details of effects."""
