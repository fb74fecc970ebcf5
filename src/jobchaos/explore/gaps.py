"""Gaps: where a kill leaves different worlds behind."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.core.effect import Effect


def gaps(effects: Sequence[Effect]) -> tuple[int, ...]:
    """The positions of kills, one for each gap between durable writes: how many effects come before the kill.

    Of a gap, the last position is taken: just before the next durable write, when most has been done in vain. (Kills
    between the same two persistence points are equivalent: CrashMonkey and ACE, OSDI 2018.)

    Args:
        effects: What one clean attempt does.
    """
    return (*(position for position, effect in enumerate(effects) if effect.durable), len(effects))
