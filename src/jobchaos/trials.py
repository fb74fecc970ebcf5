"""Trials: schedules that are run and judged, each at most once, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jobchaos.clock.freeze import wall_seconds
from jobchaos.core.budget import Budget
from jobchaos.core.events import Listener, PlanReady, ScheduleRun
from jobchaos.core.finding import OF_CLEAN_RUNS, Finding
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.deadline import Deadline
from jobchaos.engine.runner import Runner
from jobchaos.explore.plan import EXPIRY, family_of
from jobchaos.oracle.judge import Judge, Judgement
from jobchaos.oracle.serial import SerialJudge

_IN_MIND = 3  # schedules for each that may be run: most turn out to be another order of one that was
_MOST = 200_000


class Memory(Protocol):
    """Failing schedules of earlier sessions."""

    def recall(self) -> list[Schedule]:
        """What is remembered, simplest first."""

    def update(self, fails: Mapping[Schedule, bool]) -> None:
        """Remember what fails, and forget what does not any more."""


Driver = Callable[[str, int, Callable[[int], bool], int], None]
"""Given the name of a plan and its size, tries indices below it until one fails, and shrinks that; and at most so many
new ones. If these are all, their order may be a matter of chance."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One schedule that was run and judged.

    Attributes:
        schedule: The schedule.
        run: What came of it. Of a schedule in a fixpoint, just its last attempt.
        judgement: What is wrong with that.
    """

    schedule: Schedule
    run: RunResult
    judgement: Judgement

    @property
    def code(self) -> str:
        """The code of what is wrong; empty if nothing is."""
        return "JC904" if self.run.stuck else self.judgement.code


@dataclass(slots=True)
class Covered:
    """What of one family of schedules was covered.

    Attributes:
        family: Its name.
        claim: What the numbers mean, if nothing fails.
        planned: How many schedules the bound has.
        trials: Those that were tried. One that leads to a state from which another was tried counts as tried, too.
        pruned: How many need not be run, since another one is the same but for the order of independent effects.
        total: How many the failing ones are counted against; 0 for all that are planned.
        complete: False if some were neither run nor pruned.
        sampled: How many were drawn out of how many, beyond what the claim says; 0 if none were.
        findings: What is wrong, or cannot be claimed, apart from failing trials.
        explored: True if its schedules were derived from each other, so that they have no numbers to remember.
    """

    family: str
    claim: str = ""
    planned: int = 0
    trials: list[Trial] = field(default_factory=list)
    pruned: int = 0
    total: int = 0
    complete: bool = True
    sampled: tuple[int, int] = (0, 0)
    findings: list[Finding] = field(default_factory=list)
    explored: bool = False

    def add_remembered(self, failing: Sequence[Trial]) -> None:
        """Of schedules that failed in earlier sessions, and fail still, unless something simpler was found to fail."""
        if not any(trial.code for trial in self.trials):
            self.trials += failing
            self.planned += len(failing)


class Trials:
    """Runs and judges schedules of one job.

    Args:
        job: The job's label.
        runner: Runs schedules.
        judge: Compares with the single run.
        limits: What each family may spend.
        listener: Is told of every schedule.
        driver: Chooses the order in which a plan is tried, until something fails; None takes the plan's own.
        memory: Takes a family, and gives what failed of it in earlier sessions; None to remember nothing.
    """

    def __init__(
        self,
        job: str,
        runner: Runner,
        judge: Judge | SerialJudge,
        *,
        limits: Budget,
        listener: Listener,
        driver: Driver | None,
        memory: Callable[[str], Memory] | None = None,
    ) -> None:
        self.job = job
        self.runner = runner
        self.judge = judge
        self.runs = 0
        """How many attempts and schedules were run."""
        self.looks_at: dict[str, None] = {}
        """What attempts look at besides the state: the time, their number."""
        self.carried_out = True
        """False if a schedule wanted to interfere at a step that the job never came to."""
        self.is_stuck = False
        """True once a run has waited until the guard time was over. The next one would, too."""
        self.oddities: dict[tuple[str, str], None] = {}
        """`(code, message)` of everything odd that any run has reported."""
        self._limits = limits
        self._left = limits.schedules
        self._deadline = Deadline(limits.seconds, wall_seconds)
        self._listener = listener
        self._driver = driver
        self._memory = memory

    def begin(self) -> None:
        """A family begins, with a budget of its own."""
        self._left = self._limits.schedules
        self._deadline = Deadline(self._limits.seconds, wall_seconds)

    def announce(self, family: str, size: int) -> None:
        """So many schedules of a family are known by now."""
        self._listener(PlanReady(self.job, family, size))

    @property
    def limit(self) -> int:
        """How many schedules to keep in mind at most."""
        return min(_IN_MIND * self._limits.schedules, _MOST)

    @property
    def wants_all(self) -> bool:
        """True if the budget is no reason to leave anything out."""
        return self._limits.seconds is None and self._limits.schedules > _MOST

    @property
    def exhausted(self) -> bool:
        """True if nothing more may be run."""
        return self._left <= 0 or self.is_stuck or self._deadline.is_over

    @property
    def left(self) -> int:
        """How many schedules may still be run."""
        return max(0, self._left)

    def try_all(self, name: str, size: int, fails: Callable[[int], bool]) -> None:
        """Try all indices below `size`: first in the order that the driver chooses, until one fails; then the rest.

        How much fails is part of the report.

        Args:
            name: What the failing index is remembered under.
            size: How many there are.
            fails: Tries one; a second call with the same index must be cheap.
        """
        if self._driver is not None and size > 1:
            self._driver(name, size, fails, self.left)
        for index in range(size):
            fails(index)

    def remembered(self, family: str) -> list[Trial]:
        """Replay what failed in earlier sessions; return what fails still."""
        if self._memory is None:
            return []
        memory = self._memory(family)
        trials = [self.run(family, schedule) for schedule in memory.recall() if not self.exhausted]
        memory.update({trial.schedule: bool(trial.code) for trial in trials})
        return [trial for trial in trials if trial.code]

    def remember(self, family: str, schedule: Schedule) -> None:
        """Let a failing schedule be replayed first, next time."""
        if self._memory is not None:
            self._memory(family).update({schedule: True})

    def run(self, family: str, schedule: Schedule) -> Trial:
        """Run a schedule and judge it."""
        run = self.runner.run(schedule)
        self.note(run)
        return self.judged(family, schedule, run)

    def judged(self, family: str, schedule: Schedule, run: RunResult) -> Trial:
        """Judge what came of a schedule. One in which no time passes is none of the family in which it does."""
        if family == EXPIRY and not schedule.is_timed:
            family = family_of(schedule)
        return self.told(family, Trial(schedule, run, self.judge.judge(run, family)))

    def told(self, family: str, trial: Trial) -> Trial:
        """Tell the listener how a schedule ends; return it."""
        self._listener(ScheduleRun(self.job, family, trial.schedule, not trial.code))
        return trial

    def note(self, run: RunResult) -> None:
        """Count a run, and remember what was odd about it."""
        self.runs += 1
        self._left -= 1
        self.is_stuck = self.is_stuck or bool(run.stuck)
        self.carried_out = self.carried_out and run.carried_out
        if run.read_clock:
            self.looks_at["the time"] = None
        if run.read_attempt:
            self.looks_at["its attempt number"] = None
        self.oddities.update((odd, None) for odd in run.oddities if odd[0] not in OF_CLEAN_RUNS)


def run_plan(trials: Trials, family: str, plan: Sequence[Schedule], claim: str) -> Covered:
    """Run a plan that is known from the beginning, up to the budget."""
    trials.begin()
    trials.announce(family, len(plan))
    done: dict[int, Trial] = {}

    def fails(index: int) -> bool:
        if index not in done:
            if trials.exhausted:
                return False
            done[index] = trials.run(family, plan[index])
        return bool(done[index].code)

    trials.try_all(family, len(plan), fails)
    run = [done[index] for index in sorted(done)]
    return Covered(family, claim, len(plan), run, complete=len(run) == len(plan))
