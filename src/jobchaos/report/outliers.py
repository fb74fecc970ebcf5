"""Outliers: jobs of a session that are much larger, or take much longer, than the others."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobchaos.core.hang import SECOND, seconds

_JOBS = 5  # of fewer, nobody can tell what is usual
_TIMES = 10  # the median
_EFFECTS = 50  # fewer are no reason to split a job, however small the others are
_SHORT = 10 * SECOND  # nor is less, however short they are


def outliers(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Advice (JC718), a line for each job whose clean run is far beyond the median of all jobs: in effects, or in time.

    Args:
        rows: As for `summary_lines`.
    """
    return [
        *_beyond(rows, "effects", _EFFECTS, lambda size: f"{size:g} effects", "has"),
        *_beyond(rows, "duration", _SHORT, lambda size: seconds(round(size)), "takes"),
    ]


def _beyond(
    rows: Sequence[Mapping[str, Any]], measure: str, least: int, told: Callable[[float], str], verb: str
) -> list[str]:
    sizes: dict[str, int] = {}
    for row in rows:
        name = str(row["job"]).partition("(")[0]
        sizes[name] = max(sizes.get(name, 0), int(row[measure]))
    if len(sizes) < _JOBS:
        return []
    usual = statistics.median(sizes.values())
    return [
        f"JC718 advice: {name} {verb} {told(size)}, the median of the session's {len(sizes)} jobs is "
        f"{told(usual)}. Let it enqueue one small job for each object"
        for name, size in sorted(sizes.items())
        if size >= max(least, _TIMES * usual)
    ]
