"""Counting: how many schedules a bound has, without making one of them.

Problem: 4 copies of 50 effects with 6 preemptions are more schedules than fit into any memory, and one has to know
before starting. Neither can they be counted one by one.

Solution: cut every copy into pieces that run without a pause. A copy is cut by `m` preemptions and by `k` kills, and so
has `m + k + 1` pieces; the ways to place the cuts inside the copies and the ways to put the pieces into an order are
independent, and multiply. An order must not put the two sides of a preemption next to each other, as that would be
no pause; inclusion and exclusion over the preemptions counts the orders that do not.

What is a schedule here: an order of moves, where a move is one effect. A kill belongs to the move of the effect before
it (if nothing came before, it is a move of its own), and the redelivery runs all effects again. Switching to another
copy is free when the running one has finished or was killed, else it is a preemption. Two tokens of the same order,
such as `B A` and `A0 B A`, are one schedule.

This gives the published numbers of a job with 10 effects: 20 and 182 schedules of two copies with at most 1 and 2
preemptions, 168 and 3,300 of three, 10 up to symmetry; and, where one copy may be killed after any of its 10 effects,
455 and 4,622.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from jobchaos.errors import UsageError

_Sizes = Counter[tuple[int, int, int]]
"""(preemptions, kills, pieces) -> signed number of ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What an exploration of interleavings may contain.

    Attributes:
        steps: Number of effects of each copy.
        gaps: For each copy the positions where it may be killed: how many effects come before.
        preemptions: Most preemptions.
        kills: Most kills, of all copies together; a redelivery may be killed again.
        identical: True if the copies are of the same job, so that schedules which only differ in the names of the
            copies count once. Their steps and gaps must then be equal.
    """

    steps: tuple[int, ...]
    gaps: tuple[tuple[int, ...], ...]
    preemptions: int
    kills: int
    identical: bool = False

    def __str__(self) -> str:
        effects = ", ".join(map(str, dict.fromkeys(self.steps)))
        copies = f"{len(self.steps)} {'copy' if len(self.steps) == 1 else 'copies'}"
        preemptions = f"{self.preemptions} {'preemption' if self.preemptions == 1 else 'preemptions'}"
        kills = f" and {self.kills} {'kill' if self.kills == 1 else 'kills'}" if self.kills else ""
        return f"{copies} with {preemptions}{kills} of {effects} effects"


def count(bound: Bound) -> int:
    """The exact number of schedules within a bound."""
    together: _Sizes = Counter({(0, 0, 0): 1})
    for steps, gaps in zip(bound.steps, bound.gaps, strict=True):
        together = _shuffled(together, _pieces(steps, gaps, bound), bound)
    total = sum(together.values())
    # No renaming of the copies leaves a schedule as it is, so that every schedule has all of its namesakes.
    return total // math.factorial(len(bound.steps)) if bound.identical else total


def suggest(bound: Bound, limit: int) -> Bound:
    """The largest smaller bound with at most `limit` schedules, 1 or more.

    Kills are given up first, then preemptions, then copies: most concurrency bugs need one or two preemptions, and no
    kill.
    """
    return next(smaller for smaller in _smaller(bound) if count(smaller) <= limit)


def require(bound: Bound, limit: int) -> None:
    """Refuse a bound that is too large, and name one that is not.

    Args:
        bound: The bound.
        limit: The most schedules that are to be held in memory.

    Raises:
        UsageError: With both numbers of schedules.
    """
    schedules = count(bound)
    if schedules <= limit:
        return
    smaller = suggest(bound, limit)
    changed = [
        f"{name}={after}"
        for name, before, after in (
            ("copies", len(bound.steps), len(smaller.steps)),
            ("preemptions", bound.preemptions, smaller.preemptions),
            ("kills", bound.kills, smaller.kills),
        )
        if before != after
    ]
    raise UsageError(
        f"a bound too large for memory: {bound} are {_readable(schedules)} schedules, and at most {_readable(limit)} "
        f"fit; {', '.join(changed)} gives {_readable(count(smaller))}"
    )


def _pieces(steps: int, gaps: tuple[int, ...], bound: Bound) -> _Sizes:
    """Into how many pieces one copy can be cut, and in how many ways; merged preemptions count negative."""
    numbers = range(bound.preemptions + 1)
    killed = [sum(math.comb(max(gap, 1) - 1, number) for gap in gaps) for number in numbers]
    ways = [math.comb(max(steps, 1) - 1, number) for number in numbers]  # to pause it so often, killed or not
    sizes: _Sizes = Counter()
    for kills in range(bound.kills + 1):
        for preemptions in numbers:
            for merged in range(preemptions + 1):
                size = preemptions, kills, preemptions + kills + 1 - merged
                sizes[size] += (-1) ** merged * math.comb(preemptions, merged) * ways[preemptions]
        ways = [sum(ways[some] * killed[number - some] for some in range(number + 1)) for number in numbers]
    return Counter({size: number for size, number in sizes.items() if number})


def _shuffled(some: _Sizes, others: _Sizes, bound: Bound) -> _Sizes:
    """All ways to put the pieces of some copies and of one more into one order."""
    result: _Sizes = Counter()
    for (preemptions, kills, pieces), ways in some.items():
        for (more_preemptions, more_kills, more_pieces), more_ways in others.items():
            if preemptions + more_preemptions <= bound.preemptions and kills + more_kills <= bound.kills:
                size = preemptions + more_preemptions, kills + more_kills, pieces + more_pieces
                result[size] += ways * more_ways * math.comb(pieces + more_pieces, pieces)
    return result


def _smaller(bound: Bound) -> Iterator[Bound]:
    for copies in range(len(bound.steps), 0, -1):
        fewer = replace(bound, steps=bound.steps[:copies], gaps=bound.gaps[:copies])
        for preemptions in range(bound.preemptions, -1, -1):
            for kills in range(bound.kills, -1, -1):
                yield replace(fewer, kills=kills, preemptions=preemptions)


def _readable(number: int) -> str:
    return f"{number:,}" if number < 10**9 else f"{Decimal(number):.1e}".replace("e+", "e")
