"""Moment: one event of a trace in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobchaos.core.effect import Effect, Site
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.report.aftermath import aftermath
from jobchaos.report.shown import escape, one_line

_RESOURCE = re.compile(r"[a-z]+:(.+)")
_ENDS = (Happening.FINISHED, Happening.KILLED, Happening.RAISED)


@dataclass(frozen=True, slots=True)
class Moment:
    """One event, masked and escaped.

    Attributes:
        number: Of an effect: its place among all effects of the run, from 1.
        happening: The kind of event: `effect`, `killed`, ...
        copy: The copy's letter; empty for the passing of time.
        attempt: Which execution of that copy, from 1.
        text: What happens.
        outcome: What an effect's far side answered.
        applied: False if an effect did not come about.
        site: `file:line` of the cause, relative to the working directory if below it, else the file's name.
        at: Virtual time, in nanoseconds since the epoch.
    """

    number: int | None
    happening: str
    copy: str
    attempt: int
    text: str
    outcome: str
    applied: bool
    site: str
    at: int


def moments(trace: Trace) -> Iterator[Moment]:
    """Tell a trace, event by event."""
    here = Path.cwd()
    underway: dict[str, list[Effect]] = {}  # copy to what its present attempt applied
    number = 0
    for event in trace.events:
        is_effect = event.happening is Happening.EFFECT
        number += is_effect
        if event.happening is Happening.DELIVERED:
            underway[event.copy] = []
        elif is_effect and event.effect is not None and event.applied:
            underway.setdefault(event.copy, []).append(event.effect)
        yield Moment(
            number=number if is_effect else None,
            happening=event.happening.value,
            copy=event.copy,
            attempt=event.attempt,
            text=one_line(_text(event, underway)),
            outcome=one_line(event.detail) if is_effect else "",
            applied=event.applied,
            site=_where(event.effect.site, here) if is_effect and event.effect is not None else "",
            at=event.at,
        )
        if event.happening in _ENDS:
            underway.pop(event.copy, None)


def _text(event: TraceEvent, underway: dict[str, list[Effect]]) -> str:
    label = event.effect.label if event.effect is not None else ""
    if event.happening is Happening.KILLED:
        return _death(label, event.detail, aftermath(underway.get(event.copy, ())))
    if event.happening is Happening.BLOCKED:
        return _waiting(event.detail, [copy for copy in underway if copy != event.copy])
    return {
        Happening.DELIVERED: f"{event.copy} again" if event.attempt > 1 else f"{event.copy} starts",
        Happening.EFFECT: label,
        Happening.TERMINATED: f"x terminated before {label}, and cleans up",
        Happening.PAUSED: f"pauses before {label}" if label else "pauses",
        Happening.HELD_BACK: f"stays in its queue: {event.detail}",
        Happening.LEASED: f"holds {_name(event.detail)} for {(event.until - event.at) / 10**9:g} s",
        Happening.DEADLINE: f"states a time {(event.until - event.at) / 10**9:g} s ahead",
        Happening.RELEASED: f"frees {_name(event.detail)}",
        Happening.TIMED_OUT: f"gives up waiting for {_name(event.detail)}",
        Happening.RAISED: f"raises {event.detail}",
        Happening.FINISHED: "finished",
        Happening.FLAGGED: f"red flag: {event.detail}",
        Happening.TIME: f"{event.detail} pass",
    }[event.happening]


def _death(following: str, why: str, consequence: str) -> str:
    when = f"before {following}" if following else ""
    return ": ".join(part for part in (" ".join(("x killed", when)).strip(), why, consequence) if part)


def _waiting(resource: str, others: list[str]) -> str:
    # Only a resource can be held; a condition that is polled comes without a kind.
    holder = f" ({others[0]} holds a lock)" if len(others) == 1 and _RESOURCE.fullmatch(resource) else ""
    return f"waits for {_name(resource)}{holder}"


def _name(resource: str) -> str:
    path = _RESOURCE.fullmatch(resource)
    return path.group(1).rstrip("/").rpartition("/")[2] if path else resource


def _where(site: Site | None, here: Path) -> str:
    if site is None:
        return ""
    path = Path(site.file)
    return escape(f"{path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name}:{site.line}")
