"""Outliers: jobs of a session that are much larger than the others."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

_JOBS = 5  # of fewer, nobody can tell what is usual
_TIMES = 10  # the median
_EFFECTS = 50  # fewer are no reason to split a job, however small the others are


def outliers(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Advice (JC718), a line for each job whose clean run has many more effects than the median of all jobs has.

    Args:
        rows: As for `summary_lines`.
    """
    sizes: dict[str, int] = {}
    for row in rows:
        name = str(row["job"]).partition("(")[0]
        sizes[name] = max(sizes.get(name, 0), int(row["effects"]))
    if len(sizes) < _JOBS:
        return []
    usual = statistics.median(sizes.values())
    large = {name: size for name, size in sizes.items() if size >= max(_EFFECTS, _TIMES * usual)}
    return [
        f"JC718 advice: {name} has {size} effects, the median of the session's {len(sizes)} jobs is {usual:g}. "
        "Let it enqueue one small job for each object"
        for name, size in sorted(large.items())
    ]
