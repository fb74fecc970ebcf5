"""Segments: the schedule that leads to where an execution is."""

from __future__ import annotations

import copy

from jobchaos.core.schedule import Fault, Run
from jobchaos.explore.entry import ENDS, Entry, Kind


class Segments:
    """Who ran how far, and what befell it, entry by entry."""

    def __init__(self) -> None:
        self._closed: tuple[Run, ...] = ()
        self._copy = ""
        self._steps = 0
        self._last = Kind.DELIVER
        self._blocked: frozenset[str] = frozenset()

    def fork(self) -> Segments:
        """The same so far, to go on in another way."""
        return copy.copy(self)

    def append(self, entry: Entry) -> None:
        """One more entry."""
        kind = entry.kind
        if kind is Kind.TIME:
            return
        if kind is Kind.DELIVER or entry.copy != self._copy:
            if self._copy:
                self._closed += (self._open(),)
            # The effect in which a copy was blocked has had its step already.
            self._copy, self._steps = entry.copy, -1 if entry.copy in self._blocked else 0
            self._blocked -= {entry.copy}
        if kind is Kind.BLOCK:
            self._blocked |= {entry.copy}
        self._steps += kind is Kind.EFFECT
        self._last = kind

    def runs(self) -> tuple[Run, ...]:
        """The segments up to here."""
        return (*self._closed, self._open()) if self._copy else ()

    def _open(self) -> Run:
        if self._last is Kind.KILL:
            return Run(self._copy, max(self._steps, 0), Fault.KILL)
        return Run(self._copy, None if self._last in (*ENDS, Kind.BLOCK) else max(self._steps, 0))
