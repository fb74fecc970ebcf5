"""Interleavings: all executions with a bounded number of pauses and kills, one of each history.

From every execution others are derived that leave it at one point: there, another copy goes on, or the running one is
killed. An execution that can be foretold, and is another order of one that was run, need not be run itself, but others
are derived from it all the same. So the bound is covered completely, with respect to histories.

Why not sleep sets: under a bound they can drop the only execution of a history that is cheap enough (Coons, Musuvathi,
McKinley: Bounded Partial-Order Reduction, OOPSLA 2013).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jobchaos.core.schedule import Run, Schedule
from jobchaos.core.trace import Trace
from jobchaos.explore.entry import ENDS, Entry, Kind
from jobchaos.explore.foretelling import Foreteller
from jobchaos.explore.histories import Histories, History
from jobchaos.explore.observing import observe
from jobchaos.explore.renaming import renamings
from jobchaos.explore.segments import Segments
from jobchaos.explore.walk import Walk


@dataclass(frozen=True, slots=True)
class Bound:
    """How far to go.

    Attributes:
        copies: The letters.
        preemptions: Most pauses of a running copy for another one.
        kills: Most kills.
        symmetric: True if the copies are the same message, so that it does not matter which is which.
    """

    copies: tuple[str, ...]
    preemptions: int
    kills: int
    symmetric: bool


class _Way(NamedTuple):
    """How an execution gets to where a choice is made; nothing of it changes any more.

    Attributes:
        walk: What has happened.
        segments: The schedule that leads there.
        preemptions: How many it takes.
        kills: Likewise.
    """

    walk: Walk
    segments: Segments
    preemptions: int
    kills: int


@dataclass(frozen=True, slots=True)
class Node:
    """One schedule of the bound.

    Attributes:
        schedule: What to run.
        way: How it gets to its last choice.
        order: The copies that then run, one after the other: first the chosen one.
    """

    schedule: Schedule
    way: _Way
    order: tuple[str, ...]

    @property
    def cost(self) -> int:
        """Bounds grow in this order."""
        return self.way.preemptions + self.way.kills


class Interleavings:
    """The schedules within a bound, derived from each other.

    Args:
        histories: What was observed.
        bound: How far to go.
        redeliveries: How often a copy is redelivered that the schedule has not asked for.
    """

    def __init__(self, histories: Histories, bound: Bound, redeliveries: int) -> None:
        self._histories = histories
        self._bound = bound
        self._foreteller = Foreteller(histories, bound.copies, redeliveries)
        self._renamings = renamings(histories, bound.copies) if bound.symmetric else []
        self._whole = {copy: Run(copy) for copy in bound.copies}
        self._executed: dict[History, Schedule] = {}
        self._expanded: dict[tuple[History, str], list[tuple[int, int]]] = {}

    @property
    def classes(self) -> int:
        """How many histories there were so far, those of the same executions with other letters included."""
        return len(self._executed)

    def roots(self) -> list[Node]:
        """The serial orders, one for each copy that may begin; the others are derived from these."""
        copies = self._bound.copies
        orders = [(first, *(copy for copy in copies if copy != first)) for first in copies]
        begun = orders[:1] if self._bound.symmetric else orders
        way = _Way(Walk(self._histories), Segments(), 0, 0)
        return [self._node(way, order) for order in begun]

    def foretold(self, node: Node) -> tuple[tuple[Entry, ...], Schedule] | None:
        """The execution of a node and a schedule that was run with the same history; None if it must be run."""
        if self._histories.hidden:
            return None
        walk = self._foreteller.foretell(node.way.walk, node.order)
        twin = None if walk is None else self._executed.get(walk.history)
        return None if walk is None or twin is None else (tuple(walk.entries), twin)

    def observe(self, node: Node, trace: Trace) -> tuple[Entry, ...]:
        """Learn from the execution of a node; return its entries."""
        walk = observe(self._histories, trace, node.way.walk)
        history = walk.history
        self._executed.setdefault(history, node.schedule)
        for renaming in self._renamings:
            renaming.learn(walk.entries)
            self._executed.setdefault(renaming.history(history), node.schedule)
        return tuple(walk.entries)

    def orders(self, node: Node, twin: Trace) -> tuple[tuple[Entry, ...], tuple[Entry, ...]] | None:
        """A node's foretold execution and its twin's, as two orders of the same entries.

        Returns:
            None if they are not: time passes, or what a killed attempt looked at in vain is not the same in both.
        """
        walk = self._foreteller.foretell(node.way.walk, node.order)
        seen = observe(self._histories, twin).entries
        if walk is None or any(entry.kind is Kind.TIME for entry in walk.entries):
            return None
        mine = _without_waits(walk.entries)
        for renaming in self._renamings:
            renaming.learn(seen)
        for renamed in (seen, *([*map(renaming.entry, seen)] for renaming in self._renamings)):
            theirs = _without_waits(renamed)
            if {entry.number for entry in theirs} == {entry.number for entry in mine}:
                return mine, theirs
        return None

    def children(self, node: Node, entries: Sequence[Entry]) -> Iterator[Node]:
        """The schedules that leave an execution at one point after its node's last choice.

        Args:
            node: The node that was run, or foretold.
            entries: Its execution.
        """
        walk, segments, preemptions, kills = node.way
        walk, segments = self._begun(walk, entries), segments.fork()
        for cut in _cuts(entries, len(walk.entries)):
            walk.append(entries[cut.position - 1])
            segments.append(entries[cut.position - 1])
            if preemptions + cut.costs <= self._bound.preemptions and cut.is_pausable:
                others = [copy for copy in self._movable(walk) if copy not in (cut.waiting, cut.default)]
                way = _Way(walk, segments, preemptions + cut.costs, kills)
                yield from self._leave(way, others)
            if kills < self._bound.kills and cut.is_worth_killing and walk.leaves_anything(cut.copy):
                way = _Way(walk.fork(), segments.fork(), preemptions, kills + 1)
                way.walk.learn(cut.copy, walk.attempts[cut.copy], Kind.KILL, None)
                way.segments.append(way.walk.entries[-1])
                yield from self._leave(way, [*self._movable(walk)])

    def _begun(self, expected: Walk, entries: Sequence[Entry]) -> Walk:
        """The beginning of an execution: the expected one; or what has come instead, be it shorter.

        Effects of a coroutine that are underway at the same time end in an order that others may change.
        """
        beginning = entries[: len(expected.entries)]
        if not expected.entries or (len(beginning) == len(expected.entries) and beginning[-1] is expected.entries[-1]):
            return expected.fork()
        walk = Walk(self._histories)
        for entry in beginning:
            walk.append(entry)
        return walk

    def _movable(self, walk: Walk) -> Iterator[str]:
        """The copies that may go on: of identical ones that have not begun, only the first."""
        fresh = [copy for copy in self._bound.copies if copy not in walk.attempts]
        for copy in self._bound.copies:
            if copy not in walk.finished and (copy not in fresh or not self._bound.symmetric or copy == fresh[0]):
                yield copy

    def _leave(self, way: _Way, chosen: Sequence[str]) -> Iterator[Node]:
        """Go on with one of the chosen, unless that was done from the same history with as much left to spend."""
        left = self._bound.preemptions - way.preemptions, self._bound.kills - way.kills
        history = way.walk.history
        new: list[str] = []
        for copy in chosen:
            known = self._expanded.setdefault((history, copy), [])
            if not any(more >= left[0] and deaths >= left[1] for more, deaths in known):
                known.append(left)
                new.append(copy)
        if new:
            settled = way._replace(walk=way.walk.fork(), segments=way.segments.fork())
            for copy in new:
                rest = (other for other in self._bound.copies if other != copy and other not in way.walk.finished)
                yield self._node(settled, (copy, *rest))

    def _node(self, way: _Way, order: tuple[str, ...]) -> Node:
        return Node(Schedule((*way.segments.runs(), *(self._whole[copy] for copy in order))), way, order)


def _without_waits(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if entry.kind is not Kind.BLOCK)


class _Cut(NamedTuple):
    """A point at which an execution can be left.

    Attributes:
        position: Before this entry.
        copy: Who was running.
        is_worth_killing: True if it still is, and this is the last moment in a gap between lasting writes, or before a
            wait. All kills within a gap leave the same world.
        costs: 1 if to go on with another copy counts as a pause: so does another order of redeliveries than usual.
        is_pausable: False if it has nothing left to do: to pause it then is no different from letting it end; or if
            what comes next is private to the attempt, and so as well done before the pause.
        waiting: The copy, if it waits for a lock, so that it need not be tried again at once.
        default: Who goes on in the execution as it is.
    """

    position: int
    copy: str
    is_worth_killing: bool
    costs: int
    is_pausable: bool
    waiting: str
    default: str


def _cuts(entries: Sequence[Entry], start: int) -> Iterator[_Cut]:
    for position in range(start + 1, len(entries)):
        entry, before = entries[position], entries[position - 1]
        if Kind.TIME in (entry.kind, before.kind):
            return  # everybody has waited: there was nothing to choose
        goes_on = before.copy == entry.copy and before.kind in (Kind.DELIVER, Kind.EFFECT)
        lasts = entry.effect is not None and entry.effect.durable
        kill = goes_on and (lasts or entry.kind in (Kind.BLOCK, Kind.FINISH))
        waiting = before.copy if before.kind is Kind.BLOCK else ""
        costs = int(goes_on or before.kind is Kind.RAISE)
        idle = goes_on and (entry.kind in ENDS or (entry.effect is not None and entry.effect.is_private))
        yield _Cut(position, before.copy, kill, costs, not idle, waiting, entry.copy)
