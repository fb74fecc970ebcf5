"""Rows: causes in the form in which report files tell verdicts, so that these need not know of another."""

from __future__ import annotations

from typing import Any

from jobchaos.core.diff import Diff
from jobchaos.core.finding import Finding
from jobchaos.core.schedule import Schedule
from jobchaos.core.verdict import Verdict
from jobchaos.report.json_report import to_dict
from jobchaos.suite.causes import Cause
from jobchaos.suite.review import cause_lines, problem, remedy, replay_line
from jobchaos.suite.summary import Summary


def rows_of(summary: Summary) -> list[dict[str, Any]]:
    """One row for each cause that is to be mended."""
    return [_row(cause, summary.seconds) for cause in summary.causes if cause.gates]


def _row(cause: Cause, seconds: float) -> dict[str, Any]:
    first = cause.first
    finding = Finding(
        code=first.code,
        message=f"{first.task}: {problem(cause)}",
        schedule=Schedule.parse(first.schedule),
        diff=Diff(first.changes, ()),
        failing=len(cause.symptoms),
        fix=remedy(cause),
    )
    notes = (f"an unchanged suite, grade {first.grade}", f"shown by {', '.join(cause.tests)}")
    verdict = Verdict(first.task, "fails", "", (finding,), (), notes, len(cause.symptoms), seconds)
    row = to_dict(verdict, first.nodeid)
    row["findings"][0]["replay"] = replay_line(first)
    return {**row, "report": "\n".join(cause_lines(cause))}
