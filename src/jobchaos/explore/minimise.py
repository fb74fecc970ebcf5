"""Minimise: the simplest schedule that still fails in the same way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from jobchaos.core.schedule import Fault, Run, Schedule, Segment, Wait


def minimise(schedule: Schedule, fails: Callable[[Schedule], bool], *, identical: bool) -> Schedule:
    """Take away whatever can be taken away: copies, faults, pauses, deliveries, steps.

    Args:
        schedule: One that fails.
        fails: Runs a schedule; True if it fails in the same way.
        identical: True if the copies are the same message, so that one fewer is still a question about this job.

    Returns:
        A schedule that fails, and would not without any one of its parts.
    """
    known: dict[Schedule, bool] = {}
    while True:
        for simpler in simplifications(schedule, identical=identical):
            if simpler not in known:
                known[simpler] = fails(simpler)
            if known[simpler]:
                schedule = simpler
                break
        else:
            return schedule


def simplifications(schedule: Schedule, *, identical: bool) -> Iterator[Schedule]:
    """Every schedule with one part less, the largest parts first.

    What would happen anyway when the schedule ends (an unfinished copy runs to its end) is no part of it.
    """
    segments = schedule.segments
    for copy in reversed(schedule.copies) if identical and len(schedule.copies) > 1 else ():
        left = tuple(segment for segment in segments if isinstance(segment, Wait) or segment.copy != copy)
        yield Schedule(_joined(_renamed(left)))
    for at, segment in enumerate(segments):
        rest = (*segments[:at], *segments[at + 1 :])
        if not isinstance(segment, Run) or _ends(rest, segment.copy):
            yield Schedule(_joined(rest))
    for at, segment in enumerate(segments):
        if isinstance(segment, Run) and segment.fault is not None:
            yield Schedule(_joined((*segments[:at], Run(segment.copy, segment.steps), *segments[at + 1 :])))
    for at, segment in enumerate(segments):
        for smaller in _smaller(segment) if isinstance(segment, Run) else ():
            yield Schedule((*segments[:at], smaller, *segments[at + 1 :]))
    for at, segment in enumerate(segments):
        if isinstance(segment, Run) and segment.steps:
            for steps in sorted({0, segment.steps // 2, segment.steps - 1}):
                yield Schedule((*segments[:at], dataclasses.replace(segment, steps=steps, wait=1), *segments[at + 1 :]))
    for at, segment in enumerate(segments):
        if isinstance(segment, Run) and segment.wait > 1:
            for wait in sorted({1, segment.wait // 2, segment.wait - 1}):
                struck = dataclasses.replace(segment, wait=wait)
                yield Schedule((*segments[:at], struck, *segments[at + 1 :]))


def _smaller(outage: Run) -> Iterator[Run]:
    """The same call out for fewer tries, and with earlier retries."""
    if outage.fault is Fault.DOWN and outage.count > 1:
        for count in sorted({1, outage.count // 2, outage.count - 1}):
            yield dataclasses.replace(outage, count=count)
    if outage.late:
        yield dataclasses.replace(outage, late=False)


def _ends(segments: tuple[Segment, ...], copy: str) -> bool:
    """True if a copy still runs to its end in them, without being finished for them."""
    last = next((run for run in reversed(segments) if isinstance(run, Run) and run.copy == copy), None)
    return last is not None and last.steps is None


def _renamed(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """With the letters from A on, as they would be given."""
    letters = sorted({segment.copy for segment in segments if isinstance(segment, Run)})
    names = {letter: chr(ord("A") + number) for number, letter in enumerate(letters)}
    return tuple(
        segment if isinstance(segment, Wait) else dataclasses.replace(segment, copy=names[segment.copy])
        for segment in segments
        if isinstance(segment, Wait) or segment.copy in names
    )


def _joined(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Without pauses of a copy that goes on at once."""
    joined: list[Segment] = []
    for segment in segments:
        before = joined[-1] if joined else None
        if (
            isinstance(before, Run)
            and isinstance(segment, Run)
            and (before.copy, before.fault) == (segment.copy, None)
            and before.steps is not None
        ):
            steps = None if segment.steps is None else before.steps + segment.steps
            joined[-1] = dataclasses.replace(segment, steps=steps)
        else:
            joined.append(segment)
    return tuple(joined)
