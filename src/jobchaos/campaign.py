"""Campaign: one family of schedules after the other, each covered in its own way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobchaos.baseline import Baseline
from jobchaos.core.effect import QUEUE_LOCK
from jobchaos.core.finding import Finding
from jobchaos.core.retrying import NOTHING_KNOWN, Retrying
from jobchaos.core.schedule import Fault, Run, Schedule
from jobchaos.core.settings import Settings
from jobchaos.core.terms import AfterKill
from jobchaos.core.trace import Trace
from jobchaos.crashes import Crashes
from jobchaos.engine.world import World
from jobchaos.errors import UsageError
from jobchaos.expiry import Late, meetings
from jobchaos.explore.footprints import Ambient
from jobchaos.explore.gaps import gaps
from jobchaos.explore.plan import EXPIRY, FAMILIES, duplicates, family_of, limits
from jobchaos.failures import Failures
from jobchaos.findings import Family, Findings
from jobchaos.outages import Outages
from jobchaos.overlaps import Overlaps, Reach
from jobchaos.timeouts import Timeouts
from jobchaos.trials import Covered, Trials, run_plan

_LOSS = Schedule((Run("A", 0, Fault.KILL),))
"""A kill with nothing after it: if the message goes with the worker, this is all that ever happens."""
_DELIVERIES = {"quick": 2, "full": 3}


@dataclass(frozen=True, slots=True)
class Campaign:
    """Covers families of schedules of one job.

    Attributes:
        trials: Runs and judges.
        findings: Tells what failed.
        world: The state.
        baseline: The clean run.
        settings: How far to go.
        families: What is tried in all, one call of `cover` each.
        key: What failing samples are remembered under.
        copies: Letters of different jobs; empty if all copies are of one.
        after_kill: What becomes of the job's message when its worker is killed.
        has_limit: True if the job's system ends it with an exception when its time is over.
        stated: Seconds from the beginning of an attempt at which its queue does something.
        retrying: How the job is retried.
        in_turn: True if one lock keeps all copies apart.
    """

    trials: Trials
    findings: Findings
    world: World
    baseline: Baseline
    settings: Settings
    families: tuple[str, ...]
    key: bytes
    copies: tuple[str, ...] = ()
    after_kill: AfterKill = AfterKill.REDELIVERED
    has_limit: bool = False
    stated: tuple[float, ...] = ()
    retrying: Retrying = NOTHING_KNOWN
    in_turn: bool = False

    def cover_all(self) -> list[Family]:
        """Cover all families; what runs out is not told of if nothing does."""
        covered = [self.cover(family) for family in self.families]
        return [family for family in covered if family.result.planned or family.result.name != EXPIRY]

    def cover(self, family: str) -> Family:
        """Cover one family within its bound and its budget."""
        ways: dict[str, Callable[[], Covered]] = {
            "duplicate": self._duplicates,
            "concurrent": self._overlaps,
            "crash": self._crashes,
            "timeout": self._timeouts,
            "retry": self._failures,
            "expiry": self._expiry,
        }
        return self.findings.conclude(ways[family](), shrink=True)

    def replay(self, schedule: Schedule) -> Family:
        """Run one schedule only, and report it as it is."""
        alone = self.world.one_at_a_time
        if alone and len(schedule.copies) > 1:
            raise UsageError(
                f"'{schedule}' cannot be run: " + "; ".join(f"{name}: {why}" for name, why in alone.items())
            )
        family = "concurrent" if self.copies else family_of(schedule)
        covered = run_plan(self.trials, family, [schedule], f"'{schedule}'")
        return self.findings.conclude(covered, shrink=False)

    def _duplicates(self) -> Covered:
        most = _DELIVERIES[self.settings.profile]
        return run_plan(self.trials, "duplicate", duplicates(most), f"<= {most} deliveries of one message")

    def _crashes(self) -> Covered:
        if self.settings.delivery == "at-most-once":
            return Covered("crash", "a kill loses the job, and that is accepted")
        covered = Crashes(self.trials, self.world, foreseeable=not self.settings.torn_writes).cover()
        if self.after_kill is not AfterKill.REDELIVERED:
            self._add(covered, [_LOSS])
        if self.settings.follow and self.settings.delivery == "auto":
            self._add(covered, [Schedule((Run("A", at, Fault.KILL),)) for at in _beginnings(self.baseline.run.trace)])
        if self.has_limit:
            self._add(covered, limits(self.baseline.run.trace.effects("A")))
        return covered

    def _expiry(self) -> Covered:
        shapes = {family for family in self.families if family != EXPIRY} or set(FAMILIES)
        if self.settings.copies == 1 or self.world.one_at_a_time or self.in_turn:
            shapes.discard("concurrent")
        return Late(self.trials, self.settings, self.stated, shapes).cover(self.baseline.run)

    def _add(self, covered: Covered, schedules: Sequence[Schedule]) -> None:
        """Try further schedules of a family, as far as the budget goes."""
        for schedule in schedules:
            if self.trials.exhausted:
                covered.complete = False
                break
            covered.trials.append(self.trials.run(covered.family, schedule))
        covered.planned += len(schedules)

    def _timeouts(self) -> Covered:
        crashes = "crash" in self.families
        return Timeouts(self.trials, within=self.settings.within_nanoseconds, crashes=crashes).cover()

    def _failures(self) -> Covered:
        outages = Outages(self.trials, self.retrying, thorough=self.settings.profile == "full")
        failures = Failures(self.trials, outages, crashes="crash" in self.families)
        return failures.cover(self.baseline.run.trace.effects("A"))

    def _overlaps(self) -> Covered:
        alone = self.world.one_at_a_time
        if alone:
            findings = [Finding("JC921", f"copies cannot overlap on {name}: {why}") for name, why in alone.items()]
            return Covered("concurrent", complete=False, findings=findings)
        settings = self.settings
        wanted = max(0, settings.kills) if self.copies else settings.most_kills(lines=self.baseline.lines)
        wanted = 0 if self.in_turn else wanted
        kills = wanted if not wanted or self.copies or self._survives_crashes() else 0
        reach = Reach(
            copies=len(self.copies) or settings.copies,
            preemptions=0 if self.in_turn else settings.preemptions,
            kills=kills,
            identical=not self.copies,
            redeliveries=settings.attempts - 1,
            audit=settings.audit,
            seed=settings.seed,
            key=self.key,
        )
        run = self.baseline.run
        # Locks of the process or queue are taken between effects, where nobody sees it: what they order is like memory.
        locked = any(
            touch.resource.startswith(("lock:", QUEUE_LOCK)) for effect in run.trace.effects() for touch in effect.locks
        )
        # Two awaits of one attempt may be in flight: which of them comes first, effects do not tell.
        unseen = locked or settings.granularity == "await"
        ambient = Ambient(clock=run.read_clock, memory=self.baseline.uses_memory or unseen)
        effects = {letter: self.baseline.run.trace.effects(letter) for letter in self.copies or ("A",)}
        covered = Overlaps(self.trials, reach, ambient, effects).cover()
        if self.in_turn:
            covered.claim += ", one after the other, as they have one lock"
        elif self.copies:
            late, claim = meetings(self.copies, run, settings)
            self._add(covered, late)
            covered.claim += claim
        if kills < wanted:
            covered.claim += ", no kills (one crash without any overlap is too much already)"
        return covered

    def _survives_crashes(self) -> bool:
        """Whether one crash alone leaves the right state. If not, overlaps with kills would all tell just that."""
        for position in gaps(self.baseline.run.trace.effects("A")):
            run = self.trials.runner.run(Schedule((Run("A", position, Fault.KILL), Run("A"))))
            self.trials.note(run)
            if run.stuck or self.trials.judge.judge(run, "crash").code:
                return False
        return True


def _beginnings(trace: Trace) -> list[int]:
    """How many effects come before each job that another one has enqueued, where such are run, too."""
    return [at for at, effect in enumerate(trace.effects("A"), 1) if effect.kind == "ack"]
