"""Summary: all checks of a session as one table for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jobchaos.core.finding import CODES
from jobchaos.core.verdict import Verdict
from jobchaos.report.shown import escape, one_line, shorten

_FAMILIES = ("duplicate", "concurrent", "crash")
_STATUSES = ("holds", "fails", "inconclusive")
_JOB = 44


def row(verdict: Verdict, nodeid: str) -> dict[str, Any]:
    """What the table needs of a verdict, as plain values that travel between processes."""
    return {
        "nodeid": escape(nodeid),
        "job": one_line(verdict.job),
        "status": verdict.status,
        "families": [
            {
                "name": family.name,
                "status": family.status,
                "planned": family.planned,
                "run": family.run,
                "failing": family.failing,
            }
            for family in verdict.families
        ],
        "findings": [{"code": finding.code} for finding in verdict.findings],
        "schedules_run": verdict.schedules_run,
        "seconds": verdict.seconds,
    }


def summary_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table, sorted by test and job, and a line of totals.

    Args:
        rows: From `row`, or `to_dict`, which holds the same and more.
    """
    if not rows:
        return []
    ordered = sorted(rows, key=lambda item: (str(item["nodeid"]), str(item["job"])))
    present = {str(family["name"]) for item in ordered for family in item["families"]}
    families = [*_FAMILIES, *sorted(present.difference(_FAMILIES))]
    table = [["job", *families, "schedules", "time"], *(_cells(item, families) for item in ordered)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(_aligned(cells, widths)).rstrip() for cells in table]
    return [*lines, _totals(ordered)]


def _cells(item: Mapping[str, Any], families: Sequence[str]) -> list[str]:
    return [
        shorten(str(item["job"]), _JOB),
        *(_family_cell(item, family) for family in families),
        str(item["schedules_run"]),
        f"{item['seconds']:.1f} s",
    ]


def _family_cell(item: Mapping[str, Any], name: str) -> str:
    codes = [str(finding["code"]) for finding in item["findings"]]
    status = next((str(family["status"]) for family in item["families"] if family["name"] == name), "-")
    if not item["families"]:
        status = "inconclusive" if item["status"] == "inconclusive" else "-"  # it ended before any family began
    meant = {"fails": name, "inconclusive": "inconclusive"}.get(status)
    code = next((code for code in codes if CODES.get(code, "").partition(":")[0] == meant), "")
    return f"{'FAILS' if status == 'fails' else status} {code}".rstrip()


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    right = len(cells) - 2  # the last two are numbers
    return [
        cell.rjust(width) if index >= right else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]


def _totals(rows: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(str(item["status"]) for item in rows)
    verbs = {"holds": ("holds", "hold"), "fails": ("fails", "fail"), "inconclusive": ("inconclusive", "inconclusive")}
    parts = [f"{counts[status]} {verbs[status][counts[status] > 1]}" for status in _STATUSES if counts[status]]
    return f"{len(rows)} {'job' if len(rows) == 1 else 'jobs'}: {', '.join(parts)}"
