"""Entry: one thing that happens in an execution, with its causal past."""

from __future__ import annotations

import enum
from typing import NamedTuple

from jobchaos.core.effect import Effect


class Kind(enum.IntEnum):
    """What an entry is. Whole numbers, as they are hashed very often."""

    DELIVER = 0
    EFFECT = 1
    BLOCK = 2
    KILL = 3
    FINISH = 4
    RAISE = 5
    TIME = 6


ENDS = (Kind.KILL, Kind.FINISH, Kind.RAISE)
"""What ends an attempt."""


class Entry(NamedTuple):
    """One entry of an execution. A tuple, as hundreds of thousands are made.

    Attributes:
        copy: The copy's letter; empty for the passing of time.
        attempt: Which execution of it.
        kind: What it is.
        effect: The effect, if it is one.
        number: Stands for the entry and its causal past. A block, which changes nothing, has that of what it waits to
            do; 0 if that never comes.
        footprint: Stands for what its order depends on.
    """

    copy: str
    attempt: int
    kind: Kind
    effect: Effect | None
    number: int
    footprint: int = 0
