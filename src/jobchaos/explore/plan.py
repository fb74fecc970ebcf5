"""Plan: the finite, ordered set of schedules that covers a bound. A pure function of the baseline's trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobchaos.core.call import NO_CALLS
from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Fault, Run, Schedule
from jobchaos.explore.gaps import gaps

FAMILIES = ("duplicate", "concurrent", "crash", "timeout", "retry")
"""The families of schedules, in the order in which they are run and reported."""

EXPIRY = "expiry"
"""The family of schedules in which time passes. They follow from the times that a job states, not from its effects."""


def plan(family: str, effects: Sequence[Effect]) -> list[Schedule]:
    """The simple schedules of one family: one fault, one pause; simplest first.

    Args:
        family: One of `FAMILIES`.
        effects: The effects of one clean run, in order.
    """
    if family == "duplicate":
        schedules = duplicates(2)
    elif family == "concurrent":
        schedules = overlaps(len(effects))
    elif family == "crash":
        deaths = [*(Run("A", position, Fault.KILL) for position in gaps(effects)), *terminations(effects)]
        schedules = [Schedule((death, Run("A"))) for death in deaths]
    elif family == "timeout":
        schedules = [Schedule((Run("A", position, Fault.HANG),)) for position, _ in _calls(effects)]
    else:
        schedules = failures(effects)
    return sorted(schedules, key=lambda schedule: schedule.simplicity)


def family_of(schedule: Schedule) -> str:
    """The family that a schedule belongs to, for its finding codes; `retry` if a call fails in it.

    What may be wrong with one clean run is its time.
    """
    if schedule.is_timed:
        return EXPIRY
    faults = {run.fault for run in schedule.runs}
    if faults & {Fault.FAIL, Fault.LOST, Fault.DOWN, Fault.FATAL}:
        return "retry"
    if faults & {Fault.HANG, Fault.LATE, Fault.SLOW} or str(schedule) == "A":
        return "timeout"
    if len(schedule.copies) > 1:
        return "concurrent"
    return "crash" if faults & {Fault.KILL, Fault.TERMINATE, Fault.LIMIT} else "duplicate"


def nearest(schedule: Schedule, passing: Iterable[Schedule]) -> Schedule | None:
    """The passing schedule most like `schedule`: of its shape, with the closest positions."""

    def distance(other: Schedule) -> tuple[int, int, int, tuple[object, ...]]:
        mine, theirs = schedule.runs, other.runs
        shape = sum(a.copy != b.copy or a.fault is not b.fault for a, b in zip(mine, theirs, strict=False))
        moved = sum(abs((a.steps or 0) - (b.steps or 0)) for a, b in zip(mine, theirs, strict=False))
        return abs(len(mine) - len(theirs)), shape, moved, other.simplicity

    return min(passing, key=distance, default=None)


def duplicates(deliveries: int) -> list[Schedule]:
    """The same message delivered again, up to so many times in sequence."""
    return [Schedule((Run("A"),) * count) for count in range(2, deliveries + 1)]


def overlaps(steps: int) -> list[Schedule]:
    """Two copies with at most one pause.

    Identical copies are interchangeable: the one that moves first is A. Pausing it after its last effect is the
    sequence A B. Before its first one it may already have looked at what no probe sees: whether a file exists, a
    global, the time.
    """
    paused = [Schedule((Run("A", count), Run("B"), Run("A"))) for count in range(steps)]
    return [Schedule((Run("A"), Run("B"))), *paused]


def terminations(effects: Sequence[Effect]) -> list[Run]:
    """Where to tell a worker to stop: before each call to the outside, as its clean-up may do something else at each.

    Not before lines: an exception at the line in which a `with` block ends would skip its clean-up, and signal
    handlers do not run there (https://github.com/python/cpython/issues/74174).
    """
    return [Run("A", position, Fault.TERMINATE) for position, effect in enumerate(effects) if effect.kind != "line"]


def failures(effects: Sequence[Effect]) -> list[Schedule]:
    """Every call to the outside fails once; and once it is applied, but its reply gets lost.

    To a question, a lost answer is no other than a failure, and from a disk none gets lost. What follows is not part of
    the schedule: an attempt that raises is redelivered anyway, and one that swallows the error must not be given a
    second delivery that heals it.
    """
    calls = _calls(effects)
    failed = [Schedule((Run("A", position, Fault.FAIL),)) for position, _ in calls]
    answered = (position for position, effect in calls if effect.writes and effect.kind != "file")
    return failed + [Schedule((Run("A", position, Fault.LOST),)) for position in answered]


def limits(effects: Sequence[Effect]) -> list[Schedule]:
    """The job's time is over before each of its calls to the outside."""
    return [Schedule((Run("A", position, Fault.LIMIT),)) for position, _ in _calls(effects)]


def _calls(effects: Sequence[Effect]) -> list[tuple[int, Effect]]:
    return [(position, effect) for position, effect in enumerate(effects) if effect.kind not in NO_CALLS]
