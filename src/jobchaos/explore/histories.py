"""Histories: executions up to the order of independent effects.

Two executions that differ only in the order of independent effects of different attempts are the same history (a
Mazurkiewicz trace), and leave the same state. Every entry of an execution gets a number that stands for the entry
together with its causal past: its predecessor in the same attempt, and in every other attempt the latest entry that it
depends on, which has the earlier ones in its own past. So the latest numbers of all attempts stand for the history.

What an attempt does next depends on its causal past alone. So what was observed after a numbered entry once will follow
it in every execution, and executions can be foretold.

A write that turns out to change nothing (the row is there already, or has that value) is as good as a read, and depends
on fewer entries than one that does. Which of them it is depends on its causal past alone, too.
"""

from __future__ import annotations

from typing import NamedTuple

from jobchaos.core.effect import Effect
from jobchaos.explore.entry import Entry, Kind
from jobchaos.explore.footprints import Footprints

History = frozenset[int]
"""The latest numbers of all attempts: the same for all executions that differ by the order of independent entries."""


class Key(NamedTuple):
    """What a number stands for.

    Attributes:
        copy: The copy's letter.
        attempt: Which execution of it.
        kind: What happens. Of effects it need not be said which one, since that depends on the rest.
        before: The number of what came before it in the same attempt; 0 for nothing.
        past: The numbers of what it depends on in other attempts.
    """

    copy: str
    attempt: int
    kind: Kind
    before: int
    past: frozenset[int]


class Histories:
    """What was observed, by causal past.

    Args:
        footprints: Tells whether the order of two entries of different attempts may matter.
    """

    def __init__(self, footprints: Footprints) -> None:
        self.footprints = footprints
        self.numbers: dict[Key, int] = {}
        self.keys: dict[int, Key] = {}
        self.entries: dict[int, Entry] = {}
        """By number: the entry as it has turned out; of a block, what it waits to do."""
        self.following: dict[int, tuple[Entry, ...]] = {}
        """By number: what the same attempt does next, in each way in which it was seen to turn out; only its kind and
        footprint count."""
        self.blocked: set[int] = set()
        """Effects that had to wait for a lock, each with its causal past."""
        self.applied: set[int] = set()
        """Effects that went through."""
        self.hidden = False
        """True once an attempt had to wait for a lock that its effect does not name: nobody sees when it is released,
        so that causal pasts tell too little."""

    def number(self, key: Key, effect: Effect | None, footprint: int) -> int:
        """The number of a key, a new one if need be.

        Args:
            key: What it stands for.
            effect: The effect, if it is one, as it has turned out.
            footprint: What its order depends on.
        """
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.numbers) + 1
            self.keys[number] = key
            self.entries[number] = Entry(key.copy, key.attempt, key.kind, effect, number, footprint)
        return number

    def follows(self, number: int, entry: Entry) -> None:
        """Remember what comes after an entry in the same attempt, and how it has turned out."""
        known = self.following.get(number, ())
        if all(other.footprint != entry.footprint for other in known):
            self.following[number] = (*known, entry)
