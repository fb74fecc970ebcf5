"""Bursts: schedules in which many copies want the same far end at once."""

from __future__ import annotations

import string
from collections.abc import Sequence

from jobchaos.core.schedule import Fault, Run, Schedule, Segment, Wait

_MARGIN = 10**6  # ns: beside the edge of a window
_TRIES = 3


def letters(copies: int) -> str:
    """The first so many copies; there are 26."""
    return string.ascii_uppercase[: min(max(copies, 1), len(string.ascii_uppercase))]


def bursts(copies: str, first_call: int, last_call: int, window: int, to_edge: int) -> list[Schedule]:
    """All at once; on both sides of the edge of a window; with a worker that dies; with calls that fail.

    Windows may begin with the first call, or at multiples of their length since the epoch.

    Args:
        copies: Their letters.
        first_call: How many effects come before the first call that counts.
        last_call: How many come before the last one that is allowed, or before the last one there is.
        window: Nanoseconds.
        to_edge: Nanoseconds from the start of a run to the next multiple of the window.
    """
    half = (len(copies) + 1) // 2
    one, other = copies[:half], copies[half:]
    schedules = [Schedule(_all(copies))]
    if other and window > 2 * _MARGIN:
        late: tuple[Segment, ...] = (
            *_all(one[:1]),
            Wait(window - _MARGIN),
            *_all(one[1:]),
            Wait(2 * _MARGIN),
            *_all(other),
        )
        schedules.append(Schedule(late))
        if to_edge > _MARGIN:
            schedules.append(Schedule((Wait(to_edge - _MARGIN), *_all(one), Wait(2 * _MARGIN), *_all(other))))
    dying = other[:1] or one[:1]
    if other:
        schedules.append(Schedule((*_all(one), Run(dying, 0, Fault.KILL), *_all(other))))
    schedules.append(Schedule((Run(copies[0], last_call + 1, Fault.KILL), *_all(copies))))
    schedules.append(Schedule(tuple(Run(copy, first_call, Fault.DOWN, count=_TRIES) for copy in copies)))
    return schedules


def spread(copies: str, window: int) -> Schedule:
    """The same copies, so far apart that nothing has to wait."""
    segments: list[Segment] = []
    for copy in copies:
        segments += [Run(copy), Wait(2 * window)]
    return Schedule(tuple(segments[:-1]))


def _all(copies: Sequence[str]) -> tuple[Run, ...]:
    return tuple(Run(copy) for copy in copies)
