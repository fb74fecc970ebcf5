"""Gaps: where a kill leaves different worlds behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from jobchaos.core.effect import Effect

T = TypeVar("T")


def gaps(effects: Sequence[Effect]) -> tuple[int, ...]:
    """The positions of kills, one for each gap between durable writes: how many effects come before the kill.

    Of a gap, the last position is taken: just before the next durable write, when most has been done in vain. (Kills
    between the same two persistence points are equivalent: CrashMonkey and ACE, OSDI 2018.)

    Args:
        effects: What one clean attempt does.
    """
    return (*(position for position, effect in enumerate(effects) if effect.durable), len(effects))


def spread(items: Sequence[T]) -> list[T]:
    """The same items in an order in which however many come first, they lie evenly apart.

    For a plan that is longer than the budget: what goes wrong late in a job is found as well. (The order of van der
    Corput's sequence: indices by their binary digits, read backwards.)
    """
    digits = len(items).bit_length()
    return [items[index] for index in sorted(range(len(items)), key=lambda index: f"{index:0{digits}b}"[::-1])]
