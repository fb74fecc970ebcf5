"""Renaming: identical copies would do the same as each other, so one execution tells of several."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from jobchaos.explore.entry import Entry, Kind
from jobchaos.explore.histories import Histories, History, Key


class Renaming:
    """The same executions with other letters, learnt entry by entry: most entries of an execution are known already.

    Args:
        histories: What was observed.
        letters: Each copy's other letter.
    """

    def __init__(self, histories: Histories, letters: dict[str, str]) -> None:
        self._histories = histories
        self._letters = letters
        self._numbers = {0: 0}

    def learn(self, entries: Iterable[Entry]) -> None:
        """Learn from an execution that was observed; entries come after those that they depend on."""
        for entry in entries:
            if entry.number not in self._numbers:
                self._numbers[entry.number] = self._learn(entry)

    def history(self, history: History) -> History:
        """The same history with other letters."""
        return frozenset(map(self._numbers.__getitem__, history))

    def entry(self, entry: Entry) -> Entry:
        """An entry that was learnt from, with the other letter."""
        copy, attempt, kind, effect, number, footprint = entry
        return Entry(self._letters.get(copy, copy), attempt, kind, effect, self._numbers[number], footprint)

    def _learn(self, entry: Entry) -> int:
        numbers, histories = self._numbers, self._histories
        key = histories.keys[entry.number]
        copy = self._letters.get(key.copy, key.copy)
        before = numbers[key.before]
        past = frozenset(map(numbers.__getitem__, key.past))
        number = histories.number(Key(copy, key.attempt, key.kind, before, past), entry.effect, entry.footprint)
        if entry.kind is Kind.BLOCK:
            histories.blocked.add(number)
            return number
        if entry.kind is Kind.EFFECT:
            histories.applied.add(number)
        if before and entry.kind not in (Kind.KILL, Kind.TIME):
            histories.follows(before, entry._replace(copy=copy, number=number))
        return number


def renamings(histories: Histories, copies: Sequence[str]) -> list[Renaming]:
    """All but the one that changes nothing."""
    others = itertools.islice(itertools.permutations(copies), 1, None)
    return [Renaming(histories, dict(zip(copies, letters, strict=True))) for letters in others]
