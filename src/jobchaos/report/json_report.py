"""JSON: every verdict in full, as plain values. The other files are made from the same values."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobchaos.core.diff import Change, Diff
from jobchaos.core.finding import CODES, Finding
from jobchaos.core.verdict import Verdict
from jobchaos.report.moment import moments
from jobchaos.report.replay import replay_command
from jobchaos.report.shown import LONGEST, escape, literal, one_line, shown
from jobchaos.report.state import change_text
from jobchaos.report.summary import row
from jobchaos.report.text import render

VERSION = 1
"""Of the format. It grows when a key changes its meaning or goes away."""


def to_dict(verdict: Verdict, nodeid: str) -> dict[str, Any]:
    """A verdict as plain values, as `docs/reference/report.schema.json` describes it, masked and escaped.

    Args:
        verdict: The verdict.
        nodeid: The test that asked for it, as pytest names it.
    """
    return {
        **row(verdict, nodeid),
        "claim": one_line(verdict.claim),
        "notes": [one_line(note) for note in verdict.notes],
        "findings": [_finding(finding, nodeid) for finding in verdict.findings],
        "report": render(verdict, replay=lambda schedule: replay_command(schedule, nodeid)),
    }


def write_json(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows from `to_dict` to a file."""
    document = {"format": "jobchaos", "version": VERSION, "jobs": list(rows)}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _finding(finding: Finding, nodeid: str) -> dict[str, Any]:
    schedule, nearest = finding.schedule, finding.nearest
    return {
        "code": finding.code,
        "meaning": CODES.get(finding.code, ""),
        "gates": finding.gates,
        "message": one_line(finding.message),
        "schedule": None if schedule is None else str(schedule),
        "nearest": None if nearest is None else str(nearest),
        "failing": finding.failing,
        "total": finding.total,
        "replays": list(finding.replays),
        "confirmed": finding.confirmed,
        "replay": None if schedule is None else replay_command(schedule, nodeid),
        "diff": None if finding.diff is None else _diff(finding.diff),
        "trace": None if finding.trace is None else [dataclasses.asdict(moment) for moment in moments(finding.trace)],
        "detail": [shown(line) for line in finding.detail.rstrip().splitlines()],
        "fix": one_line(finding.fix),
    }


def _diff(diff: Diff) -> dict[str, Any]:
    return {"changes": [_change(change) for change in diff.changes], "equal": [escape(name) for name in diff.equal]}


def _change(change: Change) -> dict[str, Any]:
    return {
        "store": escape(change.store),
        "table": escape(change.table),
        "model": escape(change.model),
        "kind": change.kind,
        "count": change.count,
        "expected": change.expected,
        "row": {escape(column): literal(column, cell) for column, cell in change.row.items()},
        "before": {escape(column): literal(column, cell) for column, cell in change.before.items()},
        "text": change_text(change, LONGEST),
    }
