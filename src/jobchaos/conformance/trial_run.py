"""TrialRun: a job under one schedule with given probes, and with a store that only takes notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.compare import Fresh
from jobchaos.core.effect import Foreign
from jobchaos.core.ports import Probe
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.snapshot import Snapshot
from jobchaos.engine.fork import Forks
from jobchaos.engine.runner import Runner
from jobchaos.engine.stage import Stage
from jobchaos.engine.worker import ThreadWorker
from jobchaos.engine.world import World
from jobchaos.errors import UsageError
from jobchaos.probes.bindings import Bindings


@dataclass
class NoteBook:
    """A ledger of everything. It restores nothing.

    Attributes:
        look: Tells the state outside.
        first_seen: That state when each resource was announced.
        records: The foreign effects, in order.
    """

    look: Callable[[], object]
    name: str = "notebook"
    first_seen: dict[str, object] = field(default_factory=dict)
    records: list[Foreign] = field(default_factory=list)

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return True

    def announce(self, resource: str) -> None:
        """See `Store.announce`."""
        self.first_seen.setdefault(resource, self.look())

    def capture(self) -> None:
        """See `Store.capture`."""

    def restore(self) -> None:
        """See `Store.restore`."""

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return Snapshot({})

    def close(self) -> None:
        """See `Store.close`."""

    def record(self, foreign: Foreign) -> None:
        """See `Ledger.record`."""
        self.records.append(foreign)


@dataclass(frozen=True)
class TrialRun:
    """What came of it.

    Attributes:
        result: Effects, copies, oddities.
        notes: What the store was told.
    """

    result: RunResult
    notes: NoteBook

    @classmethod
    def of(
        cls,
        job: Callable[[], object],
        token: str,
        probes: Sequence[Probe],
        bindings: Bindings,
        look: Callable[[], object],
        *,
        attempts: int = 1,
        forked: bool = False,
    ) -> TrialRun:
        """Run a job.

        Args:
            job: What each copy does.
            token: The schedule.
            probes: What to install.
            bindings: Installed after them.
            look: Tells the state outside.
            attempts: Executions of a copy, the first included.
            forked: Whether workers are processes that really die.
        """
        clock = VirtualClock(0)
        conditions = SameConditions(clock)
        stage = Stage(clock, World(lambda _: notes))

        def unseen() -> object:  # it may well use what is watched
            with stage.hidden():
                return look()

        notes = NoteBook(unseen)
        with Forks(conditions) as forks, stage.watching([*probes, bindings]):
            hire = forks if forked else ThreadWorker
            runner = Runner(stage, lambda _letter: job, conditions, attempts, guard=20.0, hire=hire)
            result = runner.run(Schedule.parse(token))
        if result.stuck:
            raise UsageError(f"the job did not come to its next step: {result.stuck}")
        return cls(result, notes)


class SameConditions:
    """Implements `Conditions`: nothing changes between runs."""

    read_clock = False
    used_random = False

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def begin_later(self) -> None:
        """See `Conditions.begin_later`."""

    def begin(self, *, perturbed: int) -> None:
        """See `Conditions.begin`."""
        self._clock.reset(0)

    def fresh(self) -> Fresh:
        """See `Conditions.fresh`."""
        return Fresh(())

    def hand_over(self) -> None:
        """See `Conditions.hand_over`."""

    def take_over(self, news: None) -> None:
        """See `Conditions.take_over`."""
