"""Exact probabilities of what a sampler draws, and the order in which a schedule lets effects happen."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.schedule import Fault, Schedule
from jobchaos.explore.sampling import Draw


def effects(text: str) -> list[Effect]:
    """`rx wx wy`: reads and durable writes of resources."""
    modes = {"r": Mode.READ, "w": Mode.WRITE}
    return [Effect("sql", word, (Touch(word[1:], modes[word[0]]),), durable=word[0] == "w") for word in text.split()]


def dependent(some: Effect, other: Effect) -> bool:
    """The same resource, and one writes."""
    return (some.writes or other.writes) and some.touches[0].resource == other.touches[0].resource


def chances(build: Callable[[Draw], Schedule]) -> dict[Schedule, Fraction]:
    """The probability of every schedule, by making all choices that `build` can be given."""
    total: dict[Schedule, Fraction] = {}
    pending: list[tuple[int, ...]] = [()]
    while pending:
        prefix = pending.pop()
        sizes: list[int] = []

        def draw(below: int, prefix: tuple[int, ...] = prefix, sizes: list[int] = sizes) -> int:
            sizes.append(below)
            return prefix[len(sizes) - 1] if len(sizes) <= len(prefix) else 0

        schedule = build(draw)
        chance = Fraction(1)
        for size in sizes:
            chance /= size
        total[schedule] = total.get(schedule, Fraction(0)) + chance
        padded = (*prefix, *(0 for _ in sizes[len(prefix) :]))
        for position in range(len(prefix), len(sizes)):
            pending += [(*padded[:position], other) for other in range(1, sizes[position])]
    return total


def played(schedule: Schedule, of: Mapping[str, Sequence[Effect]]) -> list[tuple[str, int, int]]:
    """The order of effects as (copy, attempt, position); checks that the schedule says how everything ends."""
    at = dict.fromkeys(of, (1, 0))
    finished: set[str] = set()
    order = []
    for run in schedule.runs:
        attempt, position = at[run.copy]
        assert run.copy not in finished, f"{schedule} delivers {run.copy} once too often"
        steps = len(of[run.copy]) - position if run.steps is None else run.steps
        assert position + steps <= len(of[run.copy]), f"{schedule} runs {run.copy} beyond its end"
        order += [(run.copy, attempt, position + index) for index in range(steps)]
        at[run.copy] = (attempt + 1, 0) if run.fault is Fault.KILL else (attempt, position + steps)
        if run.steps is None:
            finished.add(run.copy)
    assert finished == set(of), f"{schedule} leaves copies unfinished"
    assert all(a.copy != b.copy or a.fault for a, b in itertools.pairwise(schedule.runs)), f"{schedule} has seams"
    return order
