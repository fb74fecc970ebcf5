"""LeaseFault: what has gone wrong with a lease, as the trace of a failing run tells."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobchaos.core.tenures import Tenure, tenures
from jobchaos.core.trace import Happening, Trace, TraceEvent

_NOTHING = "0 rows"


@dataclass(frozen=True, slots=True)
class LeaseFault:
    """One fault.

    Attributes:
        code: The finding's code.
        text: Who held it when, and who did not mind; without the lease's name.
        name: Resource path of the lease.
    """

    code: str
    text: str
    name: str


def lease_fault(trace: Trace) -> LeaseFault | None:
    """The fault that explains most; None if all leases were minded."""
    held = tenures(trace.events)
    pairs = [(one, other) for one, other in itertools.permutations(held, 2) if _competes(one, other)]
    faults = [fault for pair in pairs for fault in _faults(trace.events, *pair, held)]
    return min(faults, key=lambda fault: _GRAVEST.index(fault.code), default=None)


def kept_lease(trace: Trace) -> LeaseFault | None:
    """A lease that an attempt has kept although it has finished, if another attempt has failed while it ran."""
    for tenure in tenures(trace.events):
        if tenure.freed is not None or tenure.end is not Happening.FINISHED:
            continue
        finished = False
        for event in trace.events[tenure.begun :]:
            mine = (event.copy, event.attempt) == (tenure.copy, tenure.attempt)
            finished = finished or (mine and event.happening is Happening.FINISHED)
            if finished and not mine and event.happening is Happening.RAISED and event.at < tenure.until:
                return LeaseFault("JC614", f"{tenure.copy} has finished and keeps it", tenure.name)
    return None


_GRAVEST = ("JC613", "JC611", "JC612")


def _competes(one: Tenure, other: Tenure) -> bool:
    return one.name == other.name and one.begun < other.begun and one.copy != other.copy


def _faults(events: Sequence[TraceEvent], one: Tenure, other: Tenure, held: Sequence[Tenure]) -> Iterator[LeaseFault]:
    """Of two attempts of which the other has got the lease later."""
    since, here = other.since, events[0].at
    freed_before = one.freed is not None and one.freed < other.begun
    if freed_before or one.end is Happening.KILLED:
        return
    if one.until > since:
        yield LeaseFault("JC611", f"{one.copy} holds it until {_at(one.until, here)}, {_got(other, here)}", one.name)
        return
    if one.freed is not None and _is_open(other, one.freed, events):
        thirds = [third for third in held if third.name == one.name and third.begun > one.freed]
        if any(_is_open(other, third.begun, events) for third in thirds if third.copy != other.copy):
            text = f"it ran out for {one.copy} at {_at(one.until, here)}, {_got(other, here)}, and {one.copy} frees it"
            yield LeaseFault("JC613", text, one.name)
    for event in events[other.begun :]:
        if (event.copy, event.attempt) == (one.copy, one.attempt) and _writes(event, one.name):
            text = f"it ran out for {one.copy} at {_at(one.until, here)}, {_got(other, here)}, and {one.copy} writes"
            yield LeaseFault("JC612", f"{text} at {_at(event.at, here)}", one.name)
            return


def _is_open(tenure: Tenure, position: int, events: Sequence[TraceEvent]) -> bool:
    """True if a lease is held where an event happens."""
    if not tenure.begun < position or (tenure.freed is not None and tenure.freed < position):
        return False
    return tenure.until > events[position].at


def _writes(event: TraceEvent, lease: str) -> bool:
    """True if an event changes anything but the lease itself."""
    if event.happening is not Happening.EFFECT or event.effect is None or not event.applied or event.detail == _NOTHING:
        return False
    return event.effect.writes and not any(lease.endswith(touch.resource) for touch in event.effect.touches)


def _got(tenure: Tenure, here: int) -> str:
    return f"{tenure.copy} gets it at {_at(tenure.since, here)}"


def _at(moment: int, here: int) -> str:
    return f"{(moment - here) / 10**9:+g} s"
