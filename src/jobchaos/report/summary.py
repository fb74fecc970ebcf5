"""Summary: all checks of a session as one table for the terminal."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jobchaos.core.finding import CODES
from jobchaos.core.verdict import Verdict
from jobchaos.report.shown import escape, one_line, shorten

_FAMILIES = ("duplicate", "concurrent", "crash", "timeout", "retry")
_STATUSES = ("holds", "fails", "inconclusive")
_WORST = ("fails", "inconclusive", "holds")
_NAME = 24


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
                "pruned": family.pruned,
            }
            for family in verdict.families
        ],
        "findings": [{"code": finding.code} for finding in verdict.findings],
        "schedules_run": verdict.schedules_run,
        "seconds": verdict.seconds,
        "effects": verdict.effects,
        "duration": verdict.duration,
    }


def summary_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table, sorted by test and job, and a line of totals. Checks of one job in one test share a line.

    Args:
        rows: From `row`, or `to_dict`, which holds the same and more.
    """
    if not rows:
        return []
    groups = itertools.groupby(sorted(rows, key=_group), key=_group)
    ordered = [_merged(list(group)) for _, group in groups]
    present = {str(family["name"]) for item in ordered for family in item["families"]}
    families = [*_FAMILIES, *sorted(present.difference(_FAMILIES))]
    tests = _tests([str(item["nodeid"]) for item in ordered])
    table = [["test", "job", *families, "schedules", "time"]]
    table += [[shorten(tests[str(item["nodeid"])], _NAME), *_cells(item, families)] for item in ordered]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(_aligned(cells, widths)).rstrip() for cells in table]
    return [*lines, _totals(rows)]


def _group(item: Mapping[str, Any]) -> tuple[str, str]:
    return str(item["nodeid"]), str(item["job"]).partition("(")[0]


def _merged(group: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """One line for a job that a test checks many times, with other arguments or faults: the worst stands for all."""
    ranked = sorted(group, key=lambda item: (_WORST.index(item["status"]), str(item["job"])))
    worst = ranked[0]
    jobs = {str(item["job"]) for item in group}
    more = f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
    return {
        **worst,
        "job": shorten(str(worst["job"]), _NAME - len(more)) + more,
        "families": _worst_of(ranked),
        "findings": [finding for item in ranked for finding in item["findings"]],
        "schedules_run": sum(item["schedules_run"] for item in group),
        "seconds": sum(item["seconds"] for item in group),
    }


def _worst_of(ranked: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each family the worst result; nothing if the worst check ended before any family began."""
    if not ranked[0]["families"]:
        return []
    worst: dict[str, Mapping[str, Any]] = {}
    families = [family for item in ranked for family in item["families"]]
    for family in sorted(families, key=lambda family: _WORST.index(family["status"])):
        worst.setdefault(str(family["name"]), family)
    return list(worst.values())


def _tests(nodeids: Sequence[str]) -> dict[str, str]:
    """Node id to the shortest end of it that tells all of them apart: the function, with its file, or all of it."""
    split = {nodeid: nodeid.partition("::") for nodeid in nodeids}
    functions = {nodeid: test for nodeid, (_, _, test) in split.items()}
    modules = {nodeid: f"{file.rpartition('/')[2]}::{test}" for nodeid, (file, _, test) in split.items()}
    everything = {nodeid: nodeid for nodeid in nodeids}
    return next(names for names in (functions, modules, everything) if len(set(names.values())) == len(names))


def _cells(item: Mapping[str, Any], families: Sequence[str]) -> list[str]:
    return [
        shorten(str(item["job"]), _NAME),
        *(_family_cell(item, family) for family in families),
        str(item["schedules_run"]),
        f"{item['seconds']:.1f} s",
    ]


def _family_cell(item: Mapping[str, Any], name: str) -> str:
    codes = [str(finding["code"]) for finding in item["findings"]]
    if not item["families"]:  # it ended before any family began
        return _code_of("inconclusive", codes) or "-"
    status = next((str(family["status"]) for family in item["families"] if family["name"] == name), "-")
    code = _code_of({"fails": name}.get(status, status), codes)
    return f"{'FAILS' if status == 'fails' else status} {code}".rstrip()


def _code_of(meant: str, codes: Sequence[str]) -> str:
    return next((code for code in codes if CODES.get(code, "").partition(":")[0] == meant), "")


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
    return f"{len(rows)} {'check' if len(rows) == 1 else 'checks'}: {', '.join(parts)}"
