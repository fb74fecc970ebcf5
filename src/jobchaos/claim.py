"""Claim: one line that says exactly what was covered."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.core.verdict import FamilyResult


def claim(status: str, families: Sequence[FamilyResult], *, granularity: str, effects: int) -> str:
    """What was shown, with its bounds.

    Args:
        status: The verdict's status.
        families: What was run.
        granularity: What the steps were: `effect`, `line` or `await`.
        effects: Number of steps of one clean run.
    """
    counts = ", ".join(f"{family.run} of {family.planned} {family.name}" for family in families)
    if status != "holds":
        return f"{counts} schedules run" if counts else "no schedule run"
    covered = "; ".join(family.claim for family in families if family.planned)
    pruned = sum(family.pruned for family in families)
    equal = f"; {pruned} more leave the same" if pruned else ""
    steps = f"{effects} {'step' if effects == 1 else 'steps'} at {granularity} granularity"
    return f"complete: {covered} ({counts} schedules{equal}; {steps})"
