"""Claim: one line that says exactly what was covered."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.core.settings import Settings
from jobchaos.core.verdict import FamilyResult


def claim(status: str, families: Sequence[FamilyResult], settings: Settings, *, lines: bool, effects: int) -> str:
    """What was shown, with its bounds.

    Args:
        status: The verdict's status.
        families: What was run.
        settings: The bounds.
        lines: Whether lines were steps.
        effects: Number of steps of one clean run.
    """
    counts = ", ".join(f"{family.run} of {family.planned} {family.name}" for family in families)
    if status != "holds":
        return f"{counts} schedules run" if counts else "no schedule run"
    bounds = {
        "duplicate": f"<= {2 if settings.profile == 'quick' else 3} deliveries of one message",
        "concurrent": f"<= {settings.copies} copies with <= {settings.preemptions} preemption",
        "crash": f"<= {settings.kills} kill at every gap between durable writes",
    }
    covered = "; ".join(bounds[family.name] for family in families if family.planned)
    granularity = "line" if lines else "effect"
    return f"complete: {covered} ({counts} schedules; {effects} steps at {granularity} granularity)"
