"""Verdict: holds within a stated bound, fails, or inconclusive - and why."""

from __future__ import annotations

from dataclasses import dataclass

from jobchaos.core.finding import Finding


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """What came of one family of schedules.

    Attributes:
        name: `duplicate`, `concurrent`, `crash` or `retry`.
        status: `holds`, `fails` or `inconclusive`.
        planned: Size of the complete plan.
        run: How many of it were run.
        failing: How many of those failed.
        pruned: How many need not be run, since another one leaves the same.
        claim: What was covered, if nothing failed.
    """

    name: str
    status: str
    planned: int
    run: int
    failing: int
    pruned: int = 0
    claim: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check.

    Attributes:
        job: The job's label: `send_invoice(42)`.
        status: `holds`, `fails` or `inconclusive`.
        claim: Exactly what was shown, with its bounds.
        findings: Findings and advice, most serious first.
        families: One result a family.
        notes: What a reader must know to judge the claim: ignored columns, renamed keys, unseen things.
        schedules_run: Schedules executed, baselines not counted.
        seconds: Wall time of the check.
        effects: Calls to the outside in one clean run.
        duration: Virtual nanoseconds that it takes.
    """

    job: str
    status: str
    claim: str
    findings: tuple[Finding, ...]
    families: tuple[FamilyResult, ...]
    notes: tuple[str, ...]
    schedules_run: int
    seconds: float
    effects: int = 0
    duration: int = 0

    def __bool__(self) -> bool:
        return self.status == "holds"
