"""Footprints: what the order of an entry depends on, as small numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.explore.entry import Kind

EVERYTHING = -1
"""The footprint of what depends on everything, and everything on it."""
_CLOCK = "clock"
_LOOKED_AT = ("file:", "memory:")


@dataclass(frozen=True, slots=True)
class Ambient:
    """What a job's code can look at between its effects, where no probe sees it.

    Attributes:
        clock: True if the job reads the time.
        memory: True if it changes memory of the process that copies share.
    """

    clock: bool = False
    memory: bool = False


class Footprints:
    """Numbers for sets of resources and locks, and which of them conflict.

    Args:
        dependent: Whether the order of two effects of different attempts may matter.
        ambient: What else may.
    """

    def __init__(self, dependent: Callable[[Effect, Effect], bool], ambient: Ambient) -> None:
        self._dependent = dependent
        self._ambient = ambient
        self._known: dict[tuple[object, ...], int] = {}
        self._effects: list[Effect] = []
        self._conflicting: list[set[int]] = []

    def of(self, kind: Kind, effect: Effect | None, held: Iterable[Touch]) -> int:
        """The footprint of an entry.

        Args:
            kind: What it is.
            effect: The effect, if it is one.
            held: The locks of its attempt, which whatever ends it releases.
        """
        if kind is Kind.TIME or self._ambient.memory:
            return EVERYTHING
        touches, locks = ((), tuple(held)) if effect is None else (effect.touches, effect.locks)
        moves = kind is Kind.DELIVER or (effect is not None and effect.kind == "sleep")
        key = touches, locks, moves
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._new(touches, locks, moves=moves)
        return known

    def conflicting(self, footprint: int) -> set[int]:
        """The footprints of all entries whose order with one of this footprint may matter; not of `EVERYTHING`."""
        return self._conflicting[footprint]

    def _new(self, touches: tuple[Touch, ...], locks: tuple[Touch, ...], *, moves: bool) -> int:
        # Code may ask at any moment whether a file exists, and no probe sees it.
        if any(touch.mode is not Mode.READ and touch.resource.startswith(_LOOKED_AT) for touch in touches):
            return EVERYTHING
        if self._ambient.clock:
            touches = (*touches, Touch(_CLOCK, Mode.WRITE if moves else Mode.READ))
        mine = Effect("", "", touches, locks=locks)
        number = len(self._effects)
        self._effects.append(mine)
        self._conflicting.append({EVERYTHING})
        for other, effect in enumerate(self._effects):
            if self._dependent(mine, effect):
                self._conflicting[number].add(other)
                self._conflicting[other].add(number)
        return number
