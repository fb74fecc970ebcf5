"""Findings: what failed is made minimal, replayed, compared with what passes, and told."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobchaos.core.finding import CODES, Finding
from jobchaos.core.model import with_models
from jobchaos.core.schedule import Fault, Schedule
from jobchaos.core.terms import Terms
from jobchaos.core.verdict import FamilyResult
from jobchaos.explore.minimise import minimise
from jobchaos.explore.plan import nearest
from jobchaos.oracle import wording
from jobchaos.oracle.judge import Judgement
from jobchaos.stores.models import known_models
from jobchaos.trials import Covered, Trial, Trials


@dataclass(frozen=True, slots=True)
class Family:
    """What came of one family.

    Attributes:
        result: The numbers.
        findings: Findings and advice, simplest schedule first.
    """

    result: FamilyResult
    findings: tuple[Finding, ...]


class Findings:
    """Turns what was covered into findings.

    Args:
        trials: Runs schedules again.
        ledgers: Names of the stores that hold foreign effects.
        replays: How often a failing schedule must fail again.
        identical: True if copies are the same message.
        terms: Those of the job's system, if it has one.
    """

    def __init__(
        self, trials: Trials, ledgers: frozenset[str], replays: int, *, identical: bool, terms: Terms | None = None
    ) -> None:
        self._trials = trials
        self._ledgers = ledgers
        self._replays = replays
        self._identical = identical
        self._terms = terms

    def conclude(self, covered: Covered, *, shrink: bool) -> Family:
        """One finding a code, of its simplest schedule; then advice, once each; then what cannot be claimed.

        Args:
            covered: What was covered.
            shrink: Whether to look for a simpler schedule than the simplest that was run.
        """
        failing = [trial for trial in covered.trials if trial.code]
        passing = [trial.schedule for trial in covered.trials if not trial.code]
        findings: list[Finding] = []
        for code in dict.fromkeys(trial.code for trial in failing):
            alike = [trial for trial in failing if trial.code == code]
            findings.append(self._finding(covered, alike, passing, shrink=shrink))
        advice = {code: text for trial in covered.trials if not trial.code for code, text in trial.judgement.advice}
        findings += [Finding(code, f"{self._trials.job}: {_ADVICE[code]} ({text})") for code, text in advice.items()]
        findings += covered.findings
        run = len(covered.trials)
        status = _status(findings, complete=covered.complete)
        if status != "fails" and not covered.complete and covered.planned and not self._trials.is_stuck:
            findings.append(self._over_budget(covered))
        result = FamilyResult(covered.family, status, covered.planned, run, len(failing), covered.pruned, covered.claim)
        return Family(result, tuple(findings))

    def _finding(self, covered: Covered, alike: Sequence[Trial], passing: list[Schedule], *, shrink: bool) -> Finding:
        simplest = min(alike, key=lambda trial: trial.schedule.simplicity)
        if simplest.run.stuck:
            text = f"{self._trials.job} did not reach its next step in time, {simplest.run.stuck}"
            return Finding(simplest.code, text, schedule=simplest.schedule, trace=simplest.run.trace)
        trial = self._minimal(covered.family, simplest, passing) if shrink else simplest
        if covered.explored:
            self._trials.remember(covered.family, trial.schedule)
        again = [self._again(covered.family, trial.schedule, trial.code) for _ in range(self._replays)]
        code = trial.code
        judgement = _with_models(trial.judgement)
        details = judgement.detail, _also(trial, alike), self._real(code, trial.schedule)
        message = wording.message(self._trials.job, trial.run, judgement, self._ledgers)
        if sum(again) < self._replays:
            message = f"{CODES[code]}, but only in {sum(again)} of {self._replays} replays: {message}"
            code = "JC908"
        return Finding(
            code,
            message,
            schedule=trial.schedule,
            diff=judgement.comparison.diff,
            trace=trial.run.trace,
            failing=len(alike),
            total=covered.total or covered.planned,
            nearest=nearest(trial.schedule, passing),
            against=judgement.against,
            fix=judgement.fix or self._remedy(code) or wording.fix(code, judgement.comparison.diff),
            detail="\n".join(filter(None, details)),
            replays=(sum(again), self._replays),
        )

    def _real(self, code: str, schedule: Schedule) -> str:
        """What makes it happen in production, if its system tells; but calls fail and hang everywhere."""
        faults = {run.fault for run in schedule.runs} - {None}
        if self._terms is None or (faults - {Fault.KILL, Fault.TERMINATE, Fault.LIMIT} and not self._remedy(code)):
            return ""
        return f"{self._terms.system}: {self._terms.makes_real(killed=bool(faults), code=code)}"

    def _remedy(self, code: str) -> str:
        return "" if self._terms is None else self._terms.remedy(code)

    def _minimal(self, family: str, simplest: Trial, passing: list[Schedule]) -> Trial:
        """The minimal schedule, run in full: what was run may have been just its last attempt."""
        tried: dict[Schedule, Trial] = {}

        def fails(schedule: Schedule) -> bool:
            tried[schedule] = self._trials.run(family, schedule)
            if not tried[schedule].code:
                passing.append(schedule)
            return tried[schedule].code == simplest.code

        if not fails(simplest.schedule):
            return simplest  # the replays will tell
        return tried[minimise(simplest.schedule, fails, identical=self._identical)]

    def _again(self, family: str, schedule: Schedule, code: str) -> bool:
        return self._trials.run(family, schedule).code == code

    def _over_budget(self, covered: Covered) -> Finding:
        job, family = self._trials.job, covered.family
        drawn, total = covered.sampled
        if total:
            text = f"covered only {covered.claim}, and sampled {drawn} of about {total} {family} schedules beyond"
        else:
            text = f"only {len(covered.trials)} of {covered.planned} {family} schedules were tried"
        remedy = f"Raise budget=, {_LESS.get(family, '')}or let the job do less"
        return Finding("JC907", f"{job}: {text}. {remedy}")


def _with_models(judgement: Judgement) -> Judgement:
    comparison = judgement.comparison
    named = dataclasses.replace(comparison, diff=with_models(comparison.diff, known_models()))
    return dataclasses.replace(judgement, comparison=named)


def _also(told: Trial, alike: Sequence[Trial]) -> str:
    """Where else the same is wrong: each place has to be mended by itself."""
    fixes = dict.fromkeys(trial.judgement.fix for trial in sorted(alike, key=lambda trial: trial.schedule.simplicity))
    return "\n".join(f"also  {fix}" for fix in fixes if fix and fix != told.judgement.fix)


_LESS = {"concurrent": "lower copies=, preemptions= or kills=, "}
"""How to plan fewer schedules of a family."""

_ADVICE = {
    "JC701": "a redelivery ends in an error although the work is done; treat that as success, or the job is retried "
    "and reported for nothing",
}


def _status(findings: list[Finding], *, complete: bool) -> str:
    gating = [finding for finding in findings if finding.gates]
    if any(not finding.inconclusive for finding in gating):
        return "fails"
    return "inconclusive" if gating or not complete else "holds"


_NO_STORE = (
    "Its state can be neither compared nor restored. Give one: FunctionStore(snapshot=..., reset=..., covers=[...])."
)
_CONVERSATION = (
    "The job speaks to it in a protocol that jobchaos does not know, so what it changes there can be neither compared "
    'nor restored. Give it a store: FunctionStore(snapshot=..., reset=..., covers=["socket:{host}"]). If nothing there '
    "matters, one whose snapshot is always the same."
)


def unstored(label: str, resource: str) -> Finding:
    """A resource that the job touches, and nobody can bring back.

    Args:
        label: The job, for people.
        resource: Its path: `driver:asyncpg`, `socket:127.0.0.1:11211`.
    """
    kind, _, path = resource.partition(":")
    detail = _CONVERSATION.format(host=path.rpartition(":")[0] or path) if kind == "socket" else _NO_STORE
    return Finding("JC905", f"{label} touches {resource}, which no store captures", detail=detail)


def advice_once(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out advice that an earlier family has given already."""
    by_code: dict[str, Finding] = {}
    return [finding for finding in findings if finding.gates or by_code.setdefault(finding.code, finding) is finding]


def gravity(finding: Finding) -> tuple[bool, bool, str]:
    """Sort key: the most serious first."""
    return not finding.gates, finding.inconclusive, finding.code
