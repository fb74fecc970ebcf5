"""Observing: learns from an execution that was run."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.core.effect import Effect
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.explore.entry import Entry, Kind
from jobchaos.explore.histories import Histories
from jobchaos.explore.independence import lasting
from jobchaos.explore.walk import Walk

_KINDS = {
    Happening.DELIVERED: Kind.DELIVER,
    Happening.EFFECT: Kind.EFFECT,
    Happening.BLOCKED: Kind.BLOCK,
    Happening.KILLED: Kind.KILL,
    Happening.FINISHED: Kind.FINISH,
    Happening.RAISED: Kind.RAISE,
    Happening.TIME: Kind.TIME,
    Happening.TIMED_OUT: Kind.TIME,
}


def observe(histories: Histories, trace: Trace, expected: Walk | None = None) -> Walk:
    """Learn from one execution.

    Args:
        histories: What was observed before.
        trace: What has happened.
        expected: What should have happened in the beginning. As far as it did, there is nothing to learn from that.

    Returns:
        The execution.
    """
    events = _with_lasting_locks([_turned_out(event) for event in trace.events if event.happening in _KINDS])
    walk = Walk(histories)
    if expected is not None and _begins(events, expected.entries):
        walk = expected.fork()
    for position in range(len(walk.entries), len(events)):
        event = events[position]
        kind = _KINDS[event.happening]
        if kind is Kind.BLOCK:
            walk.learn_block(event.copy, event.attempt, _awaited(events, position))
        else:  # a kill tells what it has prevented
            walk.learn(event.copy, event.attempt, kind, event.effect if kind is Kind.EFFECT else None)
    return walk


def _turned_out(event: TraceEvent) -> TraceEvent:
    """An event with what its effect has turned out to be."""
    if event.changed or event.effect is None:
        return event
    return event._replace(effect=event.effect.in_vain())


def _with_lasting_locks(events: list[TraceEvent]) -> list[TraceEvent]:
    """Each effect with the locks that its attempt has taken when it arrives at the next one: a kill tells which."""
    attempts: dict[tuple[str, int], list[int]] = {}
    for position, event in enumerate(events):
        if event.effect is not None and event.happening in (Happening.EFFECT, Happening.KILLED):
            attempts.setdefault((event.copy, event.attempt), []).append(position)
    for positions in attempts.values():
        effects = [effect for position in positions if (effect := events[position].effect) is not None]
        for position, effect in zip(positions, lasting(effects), strict=True):
            if effect is not events[position].effect:
                events[position] = events[position]._replace(effect=effect)
    return events


def _begins(events: Sequence[TraceEvent], entries: Sequence[Entry]) -> bool:
    return len(events) >= len(entries) and all(
        event.copy == entry.copy
        and event.attempt == entry.attempt
        and _KINDS[event.happening] is entry.kind
        and (entry.kind is not Kind.EFFECT or event.effect == entry.effect)
        for event, entry in zip(events, entries, strict=False)
    )


def _awaited(events: Sequence[TraceEvent], position: int) -> Effect | None:
    """The effect in which an attempt is blocked: the next one of it that comes through."""
    blocked = events[position]
    for event in events[position + 1 :]:
        if (event.copy, event.attempt) == (blocked.copy, blocked.attempt):
            if event.happening is Happening.EFFECT:
                return event.effect
            if event.happening is not Happening.BLOCKED:
                return None
    return None
