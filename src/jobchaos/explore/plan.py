"""Plan: the finite, ordered set of schedules that covers a bound. A pure function of the baseline's trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Fault, Run, Schedule

FAMILIES = ("duplicate", "concurrent", "crash")
"""The families of schedules, in the order in which they are run and reported."""


def plan(family: str, effects: Sequence[Effect], *, deliveries: int, preemptions: int, kills: int) -> list[Schedule]:
    """All schedules of one family, simplest first.

    Args:
        family: One of `FAMILIES`.
        effects: The effects of one clean run, in order.
        deliveries: Most sequential deliveries of the same message.
        preemptions: Most times a running copy is paused for the other one: 0 or 1.
        kills: Most kills: 0 or 1.
    """
    if family == "duplicate":
        schedules = _duplicates(deliveries)
    elif family == "concurrent":
        schedules = _overlaps(len(effects), preemptions)
    else:
        schedules = _crashes(effects) if kills else []
    return sorted(schedules, key=lambda schedule: schedule.simplicity)


def family_of(schedule: Schedule) -> str:
    """The family that a schedule belongs to, for its finding codes; `retry` if a call fails in it."""
    faults = {run.fault for run in schedule.runs}
    if faults & {Fault.FAIL, Fault.LOST, Fault.HANG}:
        return "retry"
    if Fault.KILL in faults:
        return "crash"
    return "duplicate" if len(schedule.copies) == 1 else "concurrent"


def nearest(schedule: Schedule, passing: Iterable[Schedule]) -> Schedule | None:
    """The passing schedule most like `schedule`: of its shape, with the closest positions."""

    def distance(other: Schedule) -> tuple[int, int, int, tuple[object, ...]]:
        mine, theirs = schedule.runs, other.runs
        shape = sum(a.copy != b.copy or a.fault is not b.fault for a, b in zip(mine, theirs, strict=False))
        moved = sum(abs((a.steps or 0) - (b.steps or 0)) for a, b in zip(mine, theirs, strict=False))
        return abs(len(mine) - len(theirs)), shape, moved, other.simplicity

    return min(passing, key=distance, default=None)


def _duplicates(deliveries: int) -> list[Schedule]:
    return [Schedule((Run("A"),) * count) for count in range(2, deliveries + 1)]


def _overlaps(steps: int, preemptions: int) -> list[Schedule]:
    # Identical copies are interchangeable: the one that moves first is A. Pausing it before its first effect, or after
    # its last, is the sequence A B (or, by symmetry, B A).
    schedules = [Schedule((Run("A"), Run("B")))]
    if preemptions:
        schedules += [Schedule((Run("A", count), Run("B"), Run("A"))) for count in range(1, steps)]
    return schedules


def _crashes(effects: Sequence[Effect]) -> list[Schedule]:
    """One kill in each gap between durable writes: kills within a gap leave the same world behind.

    Of a gap, the last position is taken: just before the next durable write, when most has been done in vain. (Kills
    between the same two persistence points are equivalent: CrashMonkey and ACE, OSDI 2018.)
    """
    positions = [position for position, effect in enumerate(effects) if effect.durable]
    return [Schedule((Run("A", position, Fault.KILL), Run("A"))) for position in [*positions, len(effects)]]
