"""check(): the composition root without pytest. It chooses the parts, and puts them together."""

from __future__ import annotations

import dataclasses
import functools
import string
from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.adapted import job_of, known
from jobchaos.baseline import CLEAN, Baseline, NoBaselineError, establish
from jobchaos.campaign import Campaign
from jobchaos.claim import claim
from jobchaos.clock.freeze import wall_seconds
from jobchaos.confirm import Confirmer
from jobchaos.core.compare import Ignore
from jobchaos.core.events import CheckFinished, CheckStarted, Event, Listener
from jobchaos.core.finding import Finding
from jobchaos.core.ignore import garbage
from jobchaos.core.job import Job
from jobchaos.core.ports import Probe, Store
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.settings import Settings
from jobchaos.core.terms import after_kill
from jobchaos.core.verdict import Verdict
from jobchaos.engine.runner import Runner
from jobchaos.errors import LossError, UsageError
from jobchaos.expiry import clean_run_later, stated_moments
from jobchaos.families import chosen_families, refuse_unsuitable
from jobchaos.findings import Family, Findings, advice_once, gravity, unstored
from jobchaos.oracle.judge import Judge
from jobchaos.oracle.retry_judge import RetryJudge
from jobchaos.oracle.rules import Rules
from jobchaos.oracle.serial import SerialJudge
from jobchaos.oracle.smallness import calls, smallness
from jobchaos.serial_orders import establish_orders
from jobchaos.trials import Driver, Memory, Trials
from jobchaos.workbench import Workbench


def check(
    *jobs: Job | Callable[..., Any],
    stores: Sequence[Store] | None = None,
    probes: Sequence[Probe] = (),
    faults: Sequence[str] | None = None,
    settings: Settings | None = None,
    schedule: Schedule | str | None = None,
    listener: Listener | None = None,
    key: str = "",
) -> Verdict:
    """Check that a job's state, after duplicates, overlaps and crashes, is the state that one clean run leaves.

    Args:
        *jobs: The job, as a `Job`, as a callable without arguments, or as an object of a job system (a signature, an
            enqueued job). Two to four are different jobs that overlap: the state must be that of some serial order of
            them.
        stores: State that is not found by itself, or that should be captured in another way.
        probes: What watches further libraries.
        faults: Which of `duplicate`, `concurrent`, `crash`, `timeout` and `retry` to try; None tries all, for different
            jobs `concurrent`.
        settings: How thorough to be; None is the full profile.
        schedule: Run just this schedule (a `Schedule` or its token), instead of a plan.
        listener: Is told of everything while it happens.
        key: What a failing schedule is remembered under, between sessions; empty takes the job's label.

    Returns:
        The verdict. The world is left in the state of one clean run.

    Raises:
        UsageError: If the job, its arguments, the schedule, a store or an option is refused.
    """
    if settings is not None and not isinstance(settings, Settings):
        raise UsageError(f'settings must be Settings, such as Settings(profile="quick"); got {settings!r}')
    checked = [job_of(job, (), {}) for job in jobs]
    families = chosen_families(faults, checked)
    checked = [known(job) for job in checked] if "retry" in families else checked
    only = Schedule.parse(schedule) if isinstance(schedule, str) else schedule
    check = Check(checked, stores or (), settings or Settings(), listener or _nobody, key, probes)
    return check.run(families, only)


class Check:
    """One check, of one job or of different ones: chooses the parts and puts them together.

    Args:
        jobs: The job; or different jobs, which are held against all serial orders of them.
        stores: The user's stores.
        settings: How thorough to be.
        listener: Is told of everything.
        key: What a failing schedule is remembered under.
        probes: The user's probes.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        stores: Sequence[Store],
        settings: Settings,
        listener: Listener,
        key: str,
        probes: Sequence[Probe] = (),
    ) -> None:
        self._labels = {letter: job.label for letter, job in zip(string.ascii_uppercase, jobs, strict=False)}
        self._label = " with ".join(self._labels.values())
        self._settings = settings
        self._listener = listener
        self._memory_key = f"jobchaos/{key or self._label}/{self._label}/".encode()
        self._terms = jobs[0].terms if len(jobs) == 1 else None
        self._retrying = jobs[0].retrying
        self._remarks = list(dict.fromkeys(line for job in jobs if job.terms for line in job.terms.told()))
        self._stated = stated_moments(jobs, settings)
        self._bench = Workbench(jobs, stores, settings, probes)
        self._world = self._bench.world

    def run(self, families: Sequence[str], only: Schedule | None) -> Verdict:
        """Check, and leave the world in the state of one clean run; after an error, in the initial one."""
        if only is not None and len(self._labels) > 1:
            refuse_unsuitable(only, tuple(self._labels))
        if self._settings.copies == 1 and only is None and len(self._labels) == 1:
            families = [family for family in families if family != "concurrent"]
            if not families:
                raise UsageError("with copies=1 nothing overlaps; give 2 or more")
        started = wall_seconds()
        self._listener(CheckStarted(self._label))
        try:
            with self._bench.opened():
                verdict = self._verdict(self._bench.runner(), families, only, started)
        except LossError as error:
            verdict = self._summed_up([], [Finding(error.code, f"{self._label}: {error}")], None, started, 0)
        self._listener(CheckFinished(verdict))
        return verdict

    def _verdict(self, runner: Runner, families: Sequence[str], only: Schedule | None, started: float) -> Verdict:
        try:
            baseline, orders = self._established(runner)
        except NoBaselineError as error:
            self._world.restore()
            odd = self._odd(error.oddities)
            explained = error.finding.code == "JC902" and any(finding.gates for finding in odd)
            return self._summed_up([], odd if explained else [error.finding, *odd], None, started, 0)
        judge = self._judge(runner, baseline, orders)
        confirmer = self._confirmer(runner, judge, baseline)
        trials = Trials(
            self._label,
            runner,
            judge,
            limits=self._settings.limits,
            listener=confirmer.overhear(self._listener) if confirmer else self._listener,
            driver=None if only else self._driver(),
            memory=None if only else self._memory(),
        )
        campaign = self._campaign(trials, baseline, families)
        self._bench.is_quiet = only is None
        covered = [campaign.replay(only)] if only is not None else campaign.cover_all()
        if confirmer is not None:
            covered = [confirmer.confirmed(family) for family in covered]
        findings = advice_once(finding for family in covered for finding in family.findings)
        findings += self._odd(tuple(trials.oddities), baseline.run.oddities)
        if only is None and not orders:
            findings += smallness(self._label, baseline.run.trace, self._settings)
        if only is not None and not trials.carried_out:
            steps = len(baseline.run.trace.effects())
            text = f"{self._label} never comes to where '{only}' interferes: a clean run has {steps} steps"
            findings.append(Finding("JC909", text))
        baseline.leave(runner, self._world)  # whatever follows in the test finds the state that one delivery leaves
        return self._summed_up(covered, findings, baseline, started, trials.runs)

    def _established(self, runner: Runner) -> tuple[Baseline, Sequence[RunResult]]:
        """The baseline; for different jobs also a run of each serial order."""
        lines = self._bench.lines
        look_closer = None if self._settings.granularity == "effect" else self._bench.look_closer
        if len(self._labels) > 1:
            return establish_orders(self._labels, runner, self._world, lines=lines, look_closer=look_closer)
        baseline = establish(self._label, runner, self._world, lines=lines, look_closer=look_closer)
        if garbage(baseline.run.state):
            self._bench.has_garbage = True
            baseline = dataclasses.replace(baseline, run=runner.run(CLEAN))
        return baseline, ()

    def _rules(self, baseline: Baseline) -> Rules:
        ignore = Ignore.parse((*self._settings.ignore, *garbage(baseline.run.state)))
        return Rules(self._world.initial, baseline.volatile, ignore, self._world.ledgers)

    def _judge(self, runner: Runner, baseline: Baseline, orders: Sequence[RunResult]) -> Judge | SerialJudge:
        rules = self._rules(baseline)
        if orders:
            return SerialJudge(orders, self._labels, rules, runner.run)
        later = functools.partial(clean_run_later, runner)
        within = self._settings.within_nanoseconds
        return RetryJudge(baseline.run, rules, later, within, self._retrying)

    def _campaign(self, trials: Trials, baseline: Baseline, families: Sequence[str]) -> Campaign:
        several = len(self._labels) > 1
        telling = Findings(
            trials, self._world.ledgers, self._settings.replays, identical=not several, terms=self._terms
        )
        copies = tuple(self._labels) if several else ()
        fate = after_kill(self._terms, self._settings.delivery)
        return Campaign(
            trials,
            telling,
            self._world,
            baseline,
            self._settings,
            tuple(families),
            self._memory_key,
            copies,
            fate,
            self._terms is not None and self._terms.has_limit,
            self._stated,
            self._retrying,
            self._bench.in_turn,
        )

    def _confirmer(self, runner: Runner, judge: Judge | SerialJudge, baseline: Baseline) -> Confirmer | None:
        """What tries crashes for real; different jobs are not crashed one by one, and tasks of one loop not apart."""
        if isinstance(judge, SerialJudge) or self._settings.granularity == "await":
            return None
        if self._settings.torn_writes:
            self._remarks.append(
                "torn writes: a kill takes the machine along, so that none was tried with a real SIGKILL"
            )
            return None
        judge_against = functools.partial(Judge, rules=self._rules(baseline))
        return Confirmer(
            self._label,
            runner,
            self._bench.real_runner(),
            judge,
            judge_against,
            settings=self._settings,
            remark=self._remarks.append,
        )

    def _driver(self) -> Driver | None:
        from jobchaos.explore import strategies  # imports Hypothesis, so not before it is needed

        if strategies.inside_hypothesis():
            return None

        def drive(name: str, size: int, fails: Callable[[int], bool], most: int) -> None:
            key, seed = self._memory_key + name.encode(), self._settings.seed
            strategies.drive(size, fails, key=key, seed=seed, limit=min(size, most, _DRAWN))

        return drive

    def _memory(self) -> Callable[[str], Memory] | None:
        from jobchaos.explore import strategies

        if strategies.inside_hypothesis():
            return None
        return lambda family: strategies.Memory(self._memory_key + family.encode())

    def _summed_up(
        self, covered: Sequence[Family], findings: list[Finding], baseline: Baseline | None, started: float, runs: int
    ) -> Verdict:
        gating = [finding for finding in findings if finding.gates or self._settings.strict]
        status = "fails" if any(not finding.inconclusive for finding in gating) else "holds"
        status = "inconclusive" if gating and status == "holds" else status
        results = tuple(family.result for family in covered)
        steps = len(baseline.run.trace.effects()) if baseline else 0
        return Verdict(
            job=self._label,
            status=status,
            claim=claim(status, results, granularity=self._bench.granularity, effects=steps),
            findings=tuple(sorted(findings, key=gravity)),
            families=results,
            notes=self._notes(baseline, overlapped=any(result.name == "concurrent" for result in results)),
            schedules_run=runs,
            seconds=wall_seconds() - started,
            effects=calls(baseline.run.trace) if baseline else 0,
            duration=baseline.run.trace.duration if baseline else 0,
        )

    def _notes(self, baseline: Baseline | None, *, overlapped: bool) -> tuple[str, ...]:
        notes = [*(baseline.notes if baseline else ()), *self._remarks, *self._bench.remarks()]
        notes += self._bench.notes() if overlapped else ()
        notes += [_GARBAGE] if baseline and garbage(baseline.run.state) else ()
        if self._settings.ignore:
            notes.append(f"left out on request: {', '.join(self._settings.ignore)}")
            unused = Ignore.parse(self._settings.ignore).unused(baseline.run.state) if baseline else ()
            notes += [f"ignore matches nothing: {', '.join(unused)}"] if unused else []
        return tuple(notes)

    def _odd(self, *oddities: Sequence[tuple[str, str]]) -> list[Finding]:
        seen = dict.fromkeys(oddity for group in oddities for oddity in group)
        findings = [Finding(code, f"{self._label} {text}") for code, text in seen]
        return findings + [unstored(self._label, resource) for resource in self._world.unstored]


_GARBAGE = "not compared: temporary files in the system's directory for these, left by an attempt that dies or fails"
_DRAWN = 100  # indices of one plan that Hypothesis draws; the rest is run in order


def _nobody(_event: Event) -> None:
    """Listen to nothing."""
