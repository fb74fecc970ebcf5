"""Campaign: run every schedule of a plan, judge each, and turn what failed into findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobchaos.core.events import Listener, PlanReady, ScheduleRun
from jobchaos.core.finding import CODES, Finding
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.verdict import FamilyResult
from jobchaos.engine.runner import Runner
from jobchaos.explore.plan import nearest
from jobchaos.oracle import wording
from jobchaos.oracle.judge import Judge, Judgement

Driver = Callable[[int, Callable[[int], bool]], None]
"""Tries indices below a size until one fails, and shrinks it."""


@dataclass(frozen=True, slots=True)
class Family:
    """What came of one family.

    Attributes:
        result: The numbers.
        findings: Findings and advice, simplest schedule first.
        runs: How many schedules were run, replays included.
    """

    result: FamilyResult
    findings: tuple[Finding, ...]
    runs: int


class Campaign:
    """Covers one family of schedules after the other.

    Args:
        job: The job's label.
        runner: Runs schedules.
        judge: Compares with the single run.
        ledgers: Names of the stores that hold foreign effects.
        replays: How often a failing schedule must fail again.
        budget: Most schedules to run for a family.
        listener: Is told of every schedule.
    """

    def __init__(
        self,
        job: str,
        runner: Runner,
        judge: Judge,
        ledgers: frozenset[str],
        *,
        replays: int,
        budget: int,
        listener: Listener,
    ) -> None:
        self._job = job
        self._runner = runner
        self._judge = judge
        self._ledgers = ledgers
        self._replays = replays
        self._budget = budget
        self._listener = listener
        self._oddities: dict[tuple[str, str], None] = {}

    @property
    def oddities(self) -> tuple[tuple[str, str], ...]:
        """`(code, message)` of everything odd that any run has reported."""
        return tuple(self._oddities)

    def cover(self, family: str, plan: Sequence[Schedule], driver: Driver | None) -> Family:
        """Run a whole plan, up to the budget.

        Args:
            family: Its name.
            plan: The schedules, simplest first.
            driver: Chooses the order until something fails; None runs the plan in its own order.
        """
        self._listener(PlanReady(self._job, family, len(plan)))
        done: dict[int, tuple[RunResult, Judgement]] = {}

        def fails(index: int) -> bool:
            if index not in done:
                if len(done) >= self._budget:
                    return False
                done[index] = self._run(family, plan[index])
            return _is_bad(*done[index])

        if driver is not None and plan:
            driver(len(plan), fails)
        for index in range(len(plan)):  # all of it, also after a failure: how much fails is part of the report
            fails(index)
        failing = [index for index in sorted(done) if _is_bad(*done[index])]
        findings = self._findings(family, plan, done, failing)
        status = _status(findings, complete=len(done) == len(plan))
        if len(done) < len(plan):
            findings.append(_over_budget(self._job, family, len(done), len(plan)))
        replays = sum(finding.replays[1] for finding in findings)
        result = FamilyResult(family, status, len(plan), len(done), len(failing))
        return Family(result, tuple(findings), len(done) + replays)

    def _run(self, family: str, schedule: Schedule) -> tuple[RunResult, Judgement]:
        run = self._runner.run(schedule)
        judgement = self._judge.judge(run, family)
        self._oddities.update(dict.fromkeys(run.oddities))
        self._listener(ScheduleRun(self._job, family, schedule, not _is_bad(run, judgement)))
        return run, judgement

    def _findings(
        self,
        family: str,
        plan: Sequence[Schedule],
        done: dict[int, tuple[RunResult, Judgement]],
        failing: list[int],
    ) -> list[Finding]:
        """One finding a code, of its simplest schedule; then advice, once each."""
        findings: list[Finding] = []
        passing = [plan[index] for index in done if index not in failing]
        by_code: dict[str, list[int]] = {}
        for index in failing:
            run, judgement = done[index]
            by_code.setdefault("JC904" if run.stuck else judgement.code, []).append(index)
        for code, indices in by_code.items():
            run, judgement = done[indices[0]]
            findings.append(self._finding(code, run, judgement, family, len(indices), len(plan), passing))
        advice = {
            code: text for index in done if index not in failing for code, text in done[index][1].advice
        }
        findings += [Finding(code, f"{self._job}: {_ADVICE[code]} ({text})") for code, text in advice.items()]
        return findings

    def _finding(
        self,
        code: str,
        run: RunResult,
        judgement: Judgement,
        family: str,
        failing: int,
        total: int,
        passing: list[Schedule],
    ) -> Finding:
        if run.stuck:
            text = f"{self._job} did not reach its next step in time, {run.stuck}"
            return Finding(code, text, schedule=run.schedule, trace=run.trace)
        again = [self._run(family, run.schedule) for _ in range(self._replays)]
        same = sum(other.code == code for _, other in again)
        message = wording.message(self._job, run, judgement, self._ledgers)
        if same < self._replays:
            message = f"{CODES[code]}, but only in {same} of {self._replays} replays: {message}"
            code = "JC908"
        return Finding(
            code,
            message,
            schedule=run.schedule,
            diff=judgement.comparison.diff,
            trace=run.trace,
            failing=failing,
            total=total,
            nearest=nearest(run.schedule, passing),
            fix=wording.fix(code),
            replays=(same, self._replays),
        )


_ADVICE = {
    "JC701": "a redelivery ends in an error although the work is done; treat that as success, or the job is retried "
    "and reported for nothing",
}


def _is_bad(run: RunResult, judgement: Judgement) -> bool:
    return bool(run.stuck or judgement.code)


def _status(findings: list[Finding], *, complete: bool) -> str:
    gating = [finding for finding in findings if finding.gates]
    if any(not finding.inconclusive for finding in gating):
        return "fails"
    return "inconclusive" if gating or not complete else "holds"


def _over_budget(job: str, family: str, run: int, planned: int) -> Finding:
    return Finding(
        "JC907",
        f"{job}: only {run} of {planned} {family} schedules were run. Raise budget=, or let the job do less",
    )
