"""Hanging: which waits of a job are worth not to be answered. A pure function of what one clean run waits for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from jobchaos.core.hang import HangPoint
from jobchaos.core.schedule import Fault, Run, Schedule


def hangs(points: Sequence[HangPoint], *, total: bool) -> list[Schedule]:
    """Every call never answered, and applied with its answer late; then all of them slow. Simplest first.

    Of the waits of one call for the same far side the first stands for all: what it has sent by then is not applied
    either way. The last one stands for all late answers: then it is. Who waits for a lock without a limit is no less
    right than who holds it without one, so that is advice, and not tried.

    Args:
        points: The waits of one clean attempt, in order.
        total: Whether it matters how long all take together.
    """
    schedules = []
    for _, group in itertools.groupby(points, key=_alike):
        alike = list(group)
        first, last = alike[0], alike[-1]
        if not is_endless_lock(first):
            schedules.append(_struck(first, Fault.HANG))
        if last.waits_for == "answer" and (last.effect is None or last.effect.writes):
            schedules.append(_struck(last, Fault.LATE))
    if total and any(point.timeout and point.waits_for != "lock" for point in points):
        schedules.append(Schedule((Run("A", 0, Fault.SLOW),)))
    return sorted(schedules, key=lambda schedule: schedule.simplicity)


def is_endless_lock(point: HangPoint) -> bool:
    """True if it is a wait for a lock, without a limit."""
    return point.waits_for == "lock" and point.timeout is None


def _alike(point: HangPoint) -> tuple[object, ...]:
    return point.steps, point.effect, point.waits_for, point.far, point.site


def _struck(point: HangPoint, fault: Fault) -> Schedule:
    return Schedule((Run("A", point.steps, fault, point.number),))
