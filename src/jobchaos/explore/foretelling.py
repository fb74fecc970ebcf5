"""Foreteller: what an execution will be, from what was observed in others, or that this is not known."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.explore.entry import Entry, Kind
from jobchaos.explore.histories import Histories
from jobchaos.explore.walk import Walk


class Foreteller:
    """Does what the engine's runner would do, with copies whose next steps are known by their causal past.

    Args:
        histories: What was observed.
        copies: The letters.
        redeliveries: How often a copy is redelivered that the schedule has not asked for.
    """

    def __init__(self, histories: Histories, copies: Sequence[str], redeliveries: int) -> None:
        self._histories = histories
        self._copies = tuple(copies)
        self._redeliveries = redeliveries

    def foretell(self, so_far: Walk, order: Sequence[str]) -> Walk | None:
        """The whole execution; None if it is not known.

        Args:
            so_far: What has happened; it is not changed.
            order: Who runs then, each as far as it can, before all that are unfinished run to their ends.
        """
        telling = _Telling(self._histories, dict.fromkeys(self._copies, self._redeliveries), so_far.fork())
        return telling.walk if telling.ends(order) else None


class _UnknownError(Exception):
    """Nobody has seen what happens now."""


class _Telling:
    def __init__(self, histories: Histories, redeliveries: dict[str, int], walk: Walk) -> None:
        self.walk = walk
        self._following = histories.following
        self._redeliveries = redeliveries
        self._delivered = Entry("", 0, Kind.DELIVER, None, 0, histories.footprints.of(Kind.DELIVER, None, ()))

    def ends(self, order: Sequence[str]) -> bool:
        """Tell it to its end; False if that is not known."""
        try:
            for copy in order:
                self._drive(copy)
            while self._round():
                pass
        except _UnknownError:
            return False
        return True

    def _round(self) -> bool:
        """One round of all that are unfinished; False if there are none."""
        unfinished = [copy for copy in self._redeliveries if self._is_open(copy)]
        before = len(self.walk.entries)
        for copy in unfinished:
            self._redeliveries[copy] -= copy not in self.walk.alive
            self._drive(copy)
        if unfinished and all(entry.kind is Kind.BLOCK for entry in self.walk.entries[before:]):
            raise _UnknownError  # virtual time goes on, or it is a deadlock
        return bool(unfinished)

    def _is_open(self, copy: str) -> bool:
        walk = self.walk
        return copy in walk.alive or (copy not in walk.finished and self._redeliveries[copy] > 0)

    def _drive(self, copy: str) -> None:
        """Run a copy to its end, or until it has to wait for a lock."""
        walk, following = self.walk, self._following
        attempt = walk.attempts.get(copy, 0)
        if copy not in walk.alive:
            attempt += 1
            self._append(copy, attempt, (self._delivered,))
        while copy in walk.alive:
            if self._append(copy, attempt, following.get(walk.last(copy), ())) is Kind.BLOCK:
                return

    def _append(self, copy: str, attempt: int, ways: tuple[Entry, ...]) -> Kind:
        for known in ways:
            kind = self.walk.recall(copy, attempt, known)
            if kind is not None:
                return kind
        raise _UnknownError
