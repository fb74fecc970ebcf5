"""Extremes: the shortest and the longest delay of a library that draws delays at random."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any


class Extremes:
    """In place of the module `random` in a library's module: draws the lowest values, or the highest.

    Args:
        share: 0 for the lowest values, 1 for the highest.
    """

    def __init__(self, share: float) -> None:
        self._share = share

    def random(self) -> float:
        """See `random.random`."""
        return self._share

    def uniform(self, low: float, high: float) -> float:
        """See `random.uniform`."""
        return high if self._share else low

    def randint(self, low: int, high: int) -> int:
        """See `random.randint`."""
        return high if self._share else low

    def __getattr__(self, name: str) -> Any:
        return getattr(random, name)


def both(module: ModuleType | None, compute: Callable[[], float]) -> tuple[float, float]:
    """A delay's two ends.

    Args:
        module: The module whose code draws at random.
        compute: Computes the delay.
    """
    if module is None or "random" not in vars(module):
        delay = compute()
        return delay, delay
    ends: list[float] = []
    genuine = vars(module)["random"]
    try:
        for share in (0, 1):
            vars(module)["random"] = Extremes(share)
            ends.append(compute())
    finally:
        vars(module)["random"] = genuine
    return min(ends), max(ends)
