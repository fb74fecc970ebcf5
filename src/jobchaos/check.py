"""check(): the composition root without pytest. It chooses the parts, and puts them together."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.baseline import CLEAN, Baseline, NoBaselineError, establish
from jobchaos.campaign import Campaign, Driver, Family
from jobchaos.claim import claim
from jobchaos.clock.freeze import Frozen
from jobchaos.clock.loop import run_coroutine
from jobchaos.clock.virtual import VirtualClock
from jobchaos.conditions import RunConditions
from jobchaos.core.compare import Ignore
from jobchaos.core.events import CheckFinished, CheckStarted, Event, Listener
from jobchaos.core.finding import Finding
from jobchaos.core.job import Job
from jobchaos.core.ports import Probe, Store
from jobchaos.core.project import is_project_file
from jobchaos.core.schedule import Schedule
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from jobchaos.engine.delivery import Delivery
from jobchaos.engine.runner import Runner
from jobchaos.engine.stage import Stage
from jobchaos.engine.world import World
from jobchaos.errors import UsageError
from jobchaos.explore.plan import FAMILIES, family_of, plan
from jobchaos.oracle.judge import Judge
from jobchaos.probes.entropy import EntropyProbe
from jobchaos.probes.files import FileProbe
from jobchaos.probes.http import HTTPProbe
from jobchaos.probes.lines import LineProbe
from jobchaos.probes.sleep import SleepProbe
from jobchaos.probes.smtp import SMTPProbe
from jobchaos.probes.spawn import SpawnProbe
from jobchaos.probes.sqlalchemy import SQLAlchemyProbe
from jobchaos.probes.sqlite import SQLiteProbe
from jobchaos.stores.automatic import store_for
from jobchaos.stores.memory import MemoryStore
from jobchaos.stores.reachable import reachable


def check(
    *jobs: Job | Callable[..., Any],
    stores: Sequence[Store] | None = None,
    faults: Sequence[str] | None = None,
    settings: Settings | None = None,
    schedule: Schedule | str | None = None,
    listener: Listener | None = None,
    key: str = "",
) -> Verdict:
    """Check that a job's state, after duplicates, overlaps and crashes, is the state that one clean run leaves.

    Args:
        *jobs: The job, as a `Job` or as a callable without arguments.
        stores: State that is not found by itself, or that should be captured in another way.
        faults: Which of `duplicate`, `concurrent` and `crash` to try; None tries all.
        settings: How thorough to be; None is the full profile.
        schedule: Run just this schedule (a `Schedule` or its token), instead of a plan.
        listener: Is told of everything while it happens.
        key: What a failing schedule is remembered under, between sessions; empty takes the job's label.

    Returns:
        The verdict. The world is left in the state of one clean run.

    Raises:
        UsageError: If the job, its arguments, the schedule, a store or an option is refused.
    """
    if len(jobs) != 1:
        raise UsageError(f"check() takes one job, got {len(jobs)}; write check(Job(send_invoice, 42))")
    families = tuple(FAMILIES if faults is None else faults)
    unknown = [family for family in families if family not in FAMILIES]
    if unknown or not families:
        raise UsageError(f"faults must name some of {', '.join(FAMILIES)}; got {list(families)!r}")
    job = Job.of(jobs[0], (), {})
    only = Schedule.parse(schedule) if isinstance(schedule, str) else schedule
    return Check(job, stores or (), settings or Settings(), listener or _nobody, key).run(families, only)


class Check:
    """One check of one job: chooses the parts and puts them together.

    Args:
        job: The job.
        stores: The user's stores.
        settings: How thorough to be.
        listener: Is told of everything.
        key: What a failing schedule is remembered under.
    """

    def __init__(self, job: Job, stores: Sequence[Store], settings: Settings, listener: Listener, key: str) -> None:
        self._job = job
        self._settings = settings
        self._listener = listener
        self._key = key or job.label
        self._world = World(functools.partial(store_for, allow=settings.allow))
        self._clock = VirtualClock(_start(settings))
        self._stage = Stage(self._clock, self._world, settings.allow)
        self._entropy = EntropyProbe()
        self._explicit = stores
        self._lines = settings.granularity == "line"

    def run(self, families: Sequence[str], only: Schedule | None) -> Verdict:
        """Check, and leave the world in the state of one clean run; after an error, in the initial one."""
        started = time.perf_counter()
        self._listener(CheckStarted(self._job.label))
        try:
            for store in self._explicit:
                self._world.add(store)
            for store in reachable(self._job.function):
                self._world.remember(store)
            runner = self._runner()
            with Frozen(self._clock, lambda: self._stage.current() is not None), self._stage.watching(self._probes()):
                verdict = self._verdict(runner, families, only, started)
        except BaseException:
            self._world.restore()
            raise
        finally:
            self._world.close()
        self._listener(CheckFinished(verdict))
        return verdict

    def _verdict(self, runner: Runner, families: Sequence[str], only: Schedule | None, started: float) -> Verdict:
        try:
            baseline = establish(
                self._job.label,
                runner,
                self._world,
                lines=self._lines,
                look_closer=None if self._settings.granularity == "effect" else self._look_closer,
            )
        except NoBaselineError as error:
            self._world.restore()
            return self._summed_up([], [error.finding], None, started)
        ignore = Ignore.parse(self._settings.ignore)
        judge = Judge(baseline.run, self._world.initial, baseline.volatile, ignore, self._world.ledgers)
        campaign = Campaign(
            self._job.label,
            runner,
            judge,
            self._world.ledgers,
            replays=self._settings.replays,
            budget=self._settings.budget,
            listener=self._listener,
        )
        covered = [
            campaign.cover(family, schedules, None if only else self._driver(family))
            for family, schedules in self._plans(families, only, baseline).items()
        ]
        findings = [finding for family in covered for finding in family.findings]
        findings += self._odd(campaign.oddities, baseline.run.oddities)
        runner.run(CLEAN)  # whatever follows in the test finds the state that one delivery leaves
        return self._summed_up(covered, findings, baseline, started)

    def _plans(
        self, families: Sequence[str], only: Schedule | None, baseline: Baseline
    ) -> dict[str, Sequence[Schedule]]:
        if only is not None:
            return {family_of(only): [only]}
        settings = self._settings
        return {
            family: plan(
                family,
                baseline.run.trace.effects("A"),
                deliveries=2 if settings.profile == "quick" else 3,
                preemptions=settings.preemptions,
                kills=settings.kills,
            )
            for family in families
            if family != "concurrent" or settings.copies > 1
        }

    def _driver(self, family: str) -> Driver | None:
        from jobchaos.explore import strategies  # imports Hypothesis, so not before it is needed

        if strategies.inside_hypothesis():
            return None
        key = f"jobchaos/{self._key}/{self._job.label}/{family}".encode()
        return functools.partial(
            strategies.drive, key=key, seed=self._settings.seed, limit=self._settings.budget
        )

    def _summed_up(
        self, covered: Sequence[Family], findings: list[Finding], baseline: Baseline | None, started: float
    ) -> Verdict:
        gating = [finding for finding in findings if finding.gates]
        status = "fails" if any(not finding.inconclusive for finding in gating) else "holds"
        status = "inconclusive" if gating and status == "holds" else status
        results = tuple(family.result for family in covered)
        steps = len(baseline.run.trace.effects()) if baseline else 0
        lines = baseline.lines if baseline else False
        return Verdict(
            job=self._job.label,
            status=status,
            claim=claim(status, results, self._settings, lines=lines, effects=steps),
            findings=tuple(sorted(findings, key=_gravity)),
            families=results,
            notes=self._notes(baseline),
            schedules_run=sum(family.runs for family in covered),
            seconds=time.perf_counter() - started,
        )

    def _notes(self, baseline: Baseline | None) -> tuple[str, ...]:
        notes = list(baseline.notes) if baseline else []
        if self._settings.ignore:
            notes.append(f"left out on request: {', '.join(self._settings.ignore)}")
            unused = Ignore.parse(self._settings.ignore).unused(baseline.run.state) if baseline else ()
            if unused:
                notes.append(f"ignore matches nothing: {', '.join(unused)}")
        return tuple(notes)

    def _odd(self, *oddities: Sequence[tuple[str, str]]) -> list[Finding]:
        seen = dict.fromkeys(oddity for group in oddities for oddity in group)
        findings = [Finding(code, f"{self._job.label} {text}") for code, text in seen]
        findings += [
            Finding("JC905", f"{self._job.label} touches {resource}, which no store captures", detail=_NO_STORE)
            for resource in self._world.unstored
        ]
        return findings

    def _runner(self) -> Runner:
        shared = [target for store in self._explicit if isinstance(store, MemoryStore) for target in store.targets]
        delivery = Delivery(self._job, shared, functools.partial(run_coroutine, clock=self._clock))
        conditions = RunConditions(self._clock, self._entropy, self._clock.now(), self._settings.seed)
        return Runner(self._stage, delivery.run, conditions, self._settings.attempts, self._settings.guard)

    def _probes(self) -> list[Probe]:
        probes: list[Probe] = [
            SQLiteProbe(),
            SQLAlchemyProbe(),
            SMTPProbe(),
            HTTPProbe(),
            FileProbe(),
            SleepProbe(),
            SpawnProbe(),
            self._entropy,
        ]
        return [*probes, LineProbe(is_project_file)] if self._lines else probes

    def _look_closer(self, at_memory: bool) -> None:
        if not self._lines:
            self._lines = True
            self._stage.add(LineProbe(is_project_file))
        if at_memory:
            self._world.promote_memory()


_NO_STORE = "Its state can be neither compared nor restored. Give one: FunctionStore(snapshot=..., reset=...)."


def _start(settings: Settings) -> int:
    """Nanoseconds since the epoch at which all runs start.

    The last minute of an hour is avoided: a redelivery starts a little later, and must not fall into the next day.
    """
    start = time.time_ns() if settings.now is None else round(settings.now.timestamp() * 10**9)
    return start - 60 * 10**9 if start // 10**9 % 3600 >= 3540 else start


def _gravity(finding: Finding) -> tuple[bool, bool, str]:
    return not finding.gates, finding.inconclusive, finding.code


def _nobody(_event: Event) -> None:
    """Listen to nothing."""
