"""Audit: some schedules that need not be run are run all the same. Do they leave what their twins have left?"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from jobchaos.core.finding import Finding
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.explore.entry import Entry, Kind
from jobchaos.explore.interleavings import Interleavings, Node
from jobchaos.explore.segments import Segments
from jobchaos.oracle import shortening
from jobchaos.trials import Trial, Trials

_FAMILY = "concurrent"
_FIX = (
    "this is a gap in jobchaos, or in a probe that names less than an effect touches (a trigger, a view of another "
    "table): please report the two effects. audit=1 looks at all such schedules, granularity='line' claims less"
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """A schedule that need not be run.

    Attributes:
        tree: Where it comes from.
        node: The schedule.
        twin: The trial of another order of the same effects.
    """

    tree: Interleavings
    node: Node
    twin: Trial


class Audit:
    """Runs pruned schedules.

    Args:
        trials: Runs and judges.
        share: Which share of them, from 0 to 1.
        seed: Chooses them.
    """

    def __init__(self, trials: Trials, share: float, seed: int) -> None:
        self._trials = trials
        self._share = share
        self._chance = random.Random(seed)  # noqa: S311

    def look(self, pruned: Iterable[Pruned]) -> Finding | None:
        """What is wrong with the first that leaves another state than its twin; None if none does."""
        for one in pruned:
            if self._chance.random() >= self._share or self._trials.exhausted:
                continue
            trial = self._trials.run(_FAMILY, one.node.schedule)
            if not self._same(trial.run, one.twin.run):
                return self._culprits(one) or self._mismatch(
                    one.node.schedule, one.twin.schedule, "effects that were taken for independent"
                )
        return None

    def _culprits(self, pruned: Pruned) -> Finding | None:
        """Go from one order to the other by swaps of neighbours; bisect to the swap that changes the state."""
        orders = pruned.tree.orders(pruned.node, pruned.twin.run.trace)
        steps = [] if orders is None else list(_swaps(*orders))
        if not steps:
            return None
        first = self._run(steps[0])
        low, high = 0, len(steps) - 1
        if self._same(first, self._run(steps[high])):
            return None  # explicit orders tell nothing: it takes a wait for a lock, or other letters
        while high - low > 1:
            middle = (low + high) // 2
            if self._same(first, self._run(steps[middle])):
                low = middle
            else:
                high = middle
        one, other = _swapped(steps[low], steps[high])
        return self._mismatch(_schedule(steps[low]), _schedule(steps[high]), f"{_named(one)} and {_named(other)}")

    def _run(self, order: Sequence[Entry]) -> RunResult:
        run = self._trials.runner.run(_schedule(order))
        self._trials.note(run)
        return run

    def _same(self, one: RunResult, other: RunResult) -> bool:
        return self._trials.judge.same((one.state, one.fresh), (other.state, other.fresh))

    def _mismatch(self, one: Schedule, other: Schedule, what: str) -> Finding:
        text = (
            f"{self._trials.job}: '{one}' and '{other}' leave different states, although they differ in nothing but "
            f"the order of {what}. Their order was taken not to matter, so nothing can be claimed"
        )
        return Finding("JC920", text, schedule=one, nearest=other, fix=_FIX)


def _swaps(order: Sequence[Entry], goal: Sequence[Entry]) -> Iterator[tuple[Entry, ...]]:
    """All orders on a way from one to another, each with two neighbours of the one before it swapped."""
    places = {entry.number: place for place, entry in enumerate(goal)}
    current = list(order)
    yield tuple(current)
    for end in range(len(current), 1, -1):
        for at in range(end - 1):
            if places[current[at].number] > places[current[at + 1].number]:
                current[at : at + 2] = current[at + 1], current[at]
                yield tuple(current)


def _swapped(order: Sequence[Entry], other: Sequence[Entry]) -> tuple[Entry, Entry]:
    at = next(at for at, pair in enumerate(zip(order, other, strict=True)) if pair[0] is not pair[1])
    return order[at], order[at + 1]


def _schedule(order: Sequence[Entry]) -> Schedule:
    segments = Segments()
    for entry in order:
        segments.append(entry)
    return Schedule(segments.runs())


def _named(entry: Entry) -> str:
    """`A's UPDATE users (jobs.py:12)`, or what else an entry is."""
    effect = entry.effect
    if effect is None:
        return f"{entry.copy}'s {_OTHERWISE[entry.kind]}"
    site = f" ({effect.site.short})" if effect.site else ""
    return f"{entry.copy}'s {shortening.short(effect)}{site}"


_OTHERWISE = {Kind.DELIVER: "delivery", Kind.KILL: "death", Kind.FINISH: "end", Kind.RAISE: "error"}
