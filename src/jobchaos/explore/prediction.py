"""Prediction: schedules that are likely to fail, from the effects of clean runs; and how far a run went astray.

After Warszawski and Bailis (ACIDRain, SIGMOD 2017): what can go wrong shows in the trace of a run in which nothing
does, as two effects of one copy with room between them for an effect of another one.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Run, Schedule
from jobchaos.core.trace import Happening, Trace

Dependent = Callable[[Effect, Effect], bool]
"""True if the order of two effects of different copies matters."""


def predicted(effects: Mapping[str, Sequence[Effect]], dependent: Dependent) -> list[Schedule]:
    """Schedules in which one copy runs between two effects of another one that it conflicts with both.

    First those with a lost update (read, the other's write, write), then with a dirty write (write, the other's
    write, write), then with any other cycle of conflicts, such as write skew. Without duplicates; the pause is just
    before the second effect, and further copies run last.

    Args:
        effects: What one clean attempt of each copy does, by the copy's letter.
        dependent: Tells which effects depend on each other.
    """
    ranks = {
        Schedule((Run(copy, pause), *(Run(letter) for letter in dict.fromkeys((other, copy, *effects))))): rank
        for copy, other in itertools.permutations(effects, 2)
        for pause, rank in _pauses(effects[copy], effects[other], dependent).items()
    }
    return sorted(ranks, key=lambda schedule: (ranks[schedule], schedule.simplicity))


def reversals(trace: Trace, dependent: Dependent) -> int:
    """How many pairs of dependent effects of different copies happened in the opposite of the copies' letter order.

    Args:
        trace: What happened in a run.
        dependent: Tells which effects depend on each other.
    """
    before: Counter[tuple[str, Effect]] = Counter()
    found = 0
    for event in trace.events:
        effect = event.effect
        if event.happening is Happening.EFFECT and effect is not None:
            found += sum(
                times for (copy, other), times in before.items() if copy > event.copy and dependent(other, effect)
            )
            before[event.copy, effect] += 1
    return found


def _pauses(effects: Sequence[Effect], others: Sequence[Effect], dependent: Dependent) -> dict[int, int]:
    """Where to pause a copy for another one: the position of the second effect -> how promising it is, 0 the most."""
    conflicts = [frozenset(i for i, other in enumerate(others) if dependent(effect, other)) for effect in effects]
    writes = frozenset(i for i, other in enumerate(others) if other.writes)
    found: dict[int, int] = {}
    for first, second in itertools.combinations(range(len(effects)), 2):
        if conflicts[first] and conflicts[second]:
            update = effects[second].writes and bool(conflicts[first] & conflicts[second] & writes)
            rank = 2 if not update else 1 if effects[first].writes else 0
            found[second] = min(rank, found.get(second, rank))
    return found
