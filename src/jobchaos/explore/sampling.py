"""Sampling: single schedules out of a space that is too large to cover, chosen where bugs are likely.

Two ways, as each is strong where the other is weak. PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized
Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010) finds a bug that `d` ordering constraints cause
among `n` copies with `k` moves with a probability of at least 1 / (n * k^(d-1)). POS (Yuan, Yang, Gu: Partial Order
Aware Concurrency Sampling, CAV 2018) spreads over partial orders instead of over interleavings.

All choices come from the caller, so that Hypothesis can make them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Fault, Run, Schedule
from jobchaos.explore.gaps import gaps
from jobchaos.explore.prediction import Dependent

Draw = Callable[[int], int]
"""Gives a random whole number from 0 to below its argument, each with the same probability: `Random.randrange`."""

_PRIORITIES = 2**20  # so many that two are hardly ever equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The schedules that samples are taken from.

    Attributes:
        effects: What one clean attempt of each copy does, by the copy's letter.
        dependent: Tells which effects depend on each other.
        kills: Most kills in one schedule.
        identical: True if the copies are of the same job, so that schedules which only differ in the names of the
            copies count as one.
    """

    effects: Mapping[str, Sequence[Effect]]
    dependent: Dependent
    kills: int = 0
    identical: bool = False

    def __contains__(self, schedule: Schedule) -> bool:
        return set(schedule.copies) == set(self.effects) and schedule.kills <= self.kills


@dataclass(frozen=True, slots=True)
class _Move:
    """What a copy does between two points where another one can be let go.

    Attributes:
        effect: Its effect; None if it is killed before its first one, or has none.
        ends: True if the attempt is over then, by itself or by a kill.
        killed: True if it is killed right after the effect.
    """

    effect: Effect | None
    ends: bool = False
    killed: bool = False


def pct(effects: Mapping[str, Sequence[Effect]], depth: int, draw: Draw, kills: int = 0) -> Schedule:
    """A schedule by random priorities of the copies, which change at random points.

    Args:
        effects: What one clean attempt of each copy does, by the copy's letter.
        depth: The number of ordering constraints that a bug may need, 1 or more; one less are the points where the
            running copy falls behind all others.
        draw: Makes the random choices.
        kills: Most kills. None happens in half of the schedules.
    """
    left = _programs(effects, draw, kills)
    waiting = list(left)
    ranked = [waiting.pop(draw(len(waiting))) for _ in effects]
    total = sum(map(len, left.values()))
    changes = {draw(total): -number for number in range(1, depth)}
    priority = {copy: len(ranked) - position for position, copy in enumerate(ranked)}

    def choose(step: int) -> str:
        copy = max(left, key=priority.__getitem__)
        if step in changes:
            priority[copy] = changes[step]
            copy = max(left, key=priority.__getitem__)
        return copy

    return _schedule(_played(left, choose))


def pos(effects: Mapping[str, Sequence[Effect]], dependent: Dependent, draw: Draw, kills: int = 0) -> Schedule:
    """A schedule by random priorities of the next moves, drawn again for those that depend on the move just made.

    Args:
        effects: What one clean attempt of each copy does, by the copy's letter.
        dependent: Tells which effects depend on each other. A kill depends on everything: it ends transactions.
        draw: Makes the random choices.
        kills: Most kills. None happens in half of the schedules.
    """
    left = _programs(effects, draw, kills)
    priority = {copy: draw(_PRIORITIES) for copy in left}

    def choose(_step: int) -> str:
        chosen = max(left, key=priority.__getitem__)
        move = left[chosen][0]
        for copy, moves in left.items():
            if copy == chosen or _race(move, moves[0], dependent):
                priority[copy] = draw(_PRIORITIES)
        return chosen

    return _schedule(_played(left, choose))


def canonical(schedule: Schedule) -> Schedule:
    """The same schedule of identical copies, named in the order in which they first move: `A` first."""
    letters = dict(zip(dict.fromkeys(run.copy for run in schedule.runs), schedule.copies, strict=True))
    return Schedule(
        tuple(
            Run(letters[segment.copy], segment.steps, segment.fault) if isinstance(segment, Run) else segment
            for segment in schedule.segments
        )
    )


def _programs(effects: Mapping[str, Sequence[Effect]], draw: Draw, kills: int) -> dict[str, list[_Move]]:
    """The moves of each copy, redeliveries after kills included."""
    killed: dict[str, list[int]] = {copy: [] for copy in effects}
    if kills and draw(2):
        copies = list(effects)
        for _ in range(1 + draw(kills)):
            copy = copies[draw(len(copies))]
            positions = gaps(effects[copy])
            killed[copy].append(positions[draw(len(positions))])
    return {
        copy: [
            move
            for position in (*killed[copy], None)
            for move in _attempt(effects[copy][:position], killed=position is not None)
        ]
        for copy in effects
    }


def _attempt(effects: Sequence[Effect], *, killed: bool) -> list[_Move]:
    if not effects:
        return [_Move(None, ends=True, killed=killed)]
    return [*map(_Move, effects[:-1]), _Move(effects[-1], ends=True, killed=killed)]


def _race(move: _Move, other: _Move, dependent: Dependent) -> bool:
    if move.killed or other.killed:
        return True
    return move.effect is not None and other.effect is not None and dependent(move.effect, other.effect)


def _played(left: dict[str, list[_Move]], choose: Callable[[int], str]) -> Iterator[tuple[str, _Move]]:
    """The moves of all copies in the order of `choose`, which is given the number of moves made before."""
    for step in itertools.count():
        if not left:
            return
        copy = choose(step)
        yield copy, left[copy].pop(0)
        if not left[copy]:
            del left[copy]


def _schedule(moves: Iterator[tuple[str, _Move]]) -> Schedule:
    """Adjacent moves of a copy are one segment; a number is left out where the copy runs to its end."""
    runs: list[Run] = []
    for copy, group in itertools.groupby(moves, key=lambda played: played[0]):
        steps = 0
        for _, move in group:
            steps += move.effect is not None
            if move.ends:
                runs.append(Run(copy, steps, Fault.KILL) if move.killed else Run(copy))
                steps = 0
        if steps:
            runs.append(Run(copy, steps))
    return Schedule(tuple(runs))
