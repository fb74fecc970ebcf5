"""Tenures: who held which lease from when to when, as a trace tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobchaos.core.trace import Happening, TraceEvent

_ENDS = (Happening.KILLED, Happening.RAISED, Happening.FINISHED)


@dataclass(slots=True)
class Tenure:
    """One attempt's holding of one lease.

    Attributes:
        name: Resource path of the lease.
        copy: The copy's letter.
        attempt: Which execution of it.
        since: Virtual nanoseconds at which it was got.
        until: When it runs out, as it was prolonged last.
        begun: Position of the event in the trace.
        freed: Position of the event that gives it back; None if there is none.
        end: How the attempt ended; None while it goes on.
    """

    name: str
    copy: str
    attempt: int
    since: int
    until: int
    begun: int
    freed: int | None = None
    end: Happening | None = None

    def is_open(self, now: int) -> bool:
        """True if it was neither given back nor has run out."""
        return self.freed is None and self.until > now


def moments_to_come(events: Sequence[TraceEvent], now: int) -> list[int]:
    """When leases run out that nobody has given back, and the other moments after `now` that a job has stated."""
    leases = (tenure.until for tenure in tenures(events) if tenure.is_open(now))
    stated = (event.until for event in events if event.happening is Happening.DEADLINE and event.until > now)
    return sorted({*leases, *stated})


def tenures(events: Iterable[TraceEvent]) -> list[Tenure]:
    """All of a run, in the order in which they began. A lease that is got anew after it ran out begins another one."""
    found: list[Tenure] = []
    latest: dict[tuple[str, int, str], Tenure] = {}
    for position, event in enumerate(events):
        key = event.copy, event.attempt, event.detail
        if event.happening is Happening.LEASED:
            known = latest.get(key)
            if known is not None and known.is_open(event.at):
                known.until = event.until
            else:
                latest[key] = Tenure(event.detail, event.copy, event.attempt, event.at, event.until, position)
                found.append(latest[key])
        elif event.happening is Happening.RELEASED and key in latest:
            latest[key].freed = position
        elif event.happening in _ENDS:
            for tenure in found:
                if (tenure.copy, tenure.attempt) == (event.copy, event.attempt):
                    tenure.end = event.happening
    return found
