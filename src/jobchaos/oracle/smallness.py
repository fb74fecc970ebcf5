"""Smallness: what one clean run says about a job that does too much, or keeps others waiting for too long. Advice only.

The limits are rules of thumb: a job with 100 effects has as many places to die at; a queue takes a worker for dead
after minutes (RQ's own limit is 180 s, SQS hides a message for 30 s); Python's sqlite3 gives up on a lock after 5 s.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobchaos.core.call import NO_CALLS
from jobchaos.core.effect import Effect
from jobchaos.core.finding import Finding
from jobchaos.core.hang import name_of, seconds
from jobchaos.core.settings import Settings
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.oracle.shortening import short

_FOREIGN = ("mail", "http")


def smallness(job: str, trace: Trace, settings: Settings) -> list[Finding]:
    """What to change about a job so that less can go wrong.

    Args:
        job: Its label.
        trace: A clean run of one copy.
        settings: The limits.
    """
    made = [event for event in trace.events if _is_call(event)]
    advice = [*_held_across(made), *_transactions(made, settings), *_sizes(trace, made, settings)]
    return [Finding(found.code, f"{job}: {found.text}", fix=found.fix) for found in advice]


def calls(trace: Trace) -> int:
    """How many calls to the outside a run makes."""
    return sum(map(_is_call, trace.events))


@dataclass(frozen=True, slots=True)
class _Advice:
    code: str
    text: str
    fix: str


def _is_call(event: TraceEvent) -> bool:
    return event.happening is Happening.EFFECT and event.effect is not None and event.effect.kind not in NO_CALLS


def _effects(events: Sequence[TraceEvent]) -> Iterator[tuple[TraceEvent, Effect]]:
    return ((event, event.effect) for event in events if event.effect is not None)


def _held_across(made: Sequence[TraceEvent]) -> Iterator[_Advice]:
    """A database or a lock that others wait for, while somebody else lets us wait. The first call of each."""
    told: set[str] = set()
    for _, effect in _effects(made):
        for resource in effect.held if effect.kind in _FOREIGN else ():
            is_database = resource.startswith("sql:")
            if is_database and "JC712" not in told:
                told.add("JC712")
                name = posixpath.basename(resource.removeprefix("sql:").partition("/@")[0])
                text = f"{short(effect)} happens inside an open transaction{_place(effect)}: {name} stays locked for as"
                yield _Advice("JC712", f"{text} long as it takes, and a rollback does not take it back", _AFTER_COMMIT)
            if not (is_database or resource.startswith("queue:")) and "JC713" not in told:
                told.add("JC713")
                text = f"{short(effect)} happens while {name_of(resource)} is held{_place(effect)}: whoever waits for"
                yield _Advice("JC713", f"{text} that waits for the other side, too", _OUTSIDE)


def _transactions(made: Sequence[TraceEvent], settings: Settings) -> Iterator[_Advice]:
    """The transaction with the most statements, and the one that takes longest."""
    longest = most = statements = 0
    began: TraceEvent | None = None
    previous: TraceEvent | None = None
    for event, effect in _effects(made):
        if any(resource.startswith("sql:") for resource in effect.held):
            began = began or previous or event  # the statement before has taken the lock
            statements += effect.kind == "sql"
            longest, most = max(longest, event.at - began.at), max(most, statements)
        else:
            began, statements = None, 1
        previous = event
    if longest > settings.transaction_seconds * 10**9:
        text = f"a transaction is open for {seconds(longest)}, and others wait for it or give up"
        yield _Advice("JC714", text, "wait and sleep outside of transactions")
    elif most > settings.most_effects:
        yield _Advice("JC714", f"a transaction has {most} statements, and others wait for it", _SPLIT)


def _sizes(trace: Trace, made: Sequence[TraceEvent], settings: Settings) -> Iterator[_Advice]:
    rounds: dict[object, dict[str, Effect]] = {}
    for _, effect in _effects(made):
        if effect.durable and effect.writes and effect.site is not None:
            rounds.setdefault(effect.site, {})[effect.label] = effect
    often = max(rounds.values(), key=len, default={})
    if len(often) > settings.most_rounds:
        effect = next(iter(often.values()))
        text = f"it does {len(often)} things in a loop ({short(effect)} and so on{_place(effect)}): a failure in the"
        yield _Advice("JC715", f"{text} middle leaves some done, and repeats them", _SPLIT)
    elif len(made) > settings.most_effects:
        yield _Advice("JC716", f"it has {len(made)} effects, and as many places to fail at", _SPLIT)
    duration = trace.duration
    if duration > settings.most_seconds * 10**9:
        text = f"it takes {seconds(duration)} even if all goes well: its queue may take it for dead, and repeat it"
        yield _Advice("JC717", text, "let it enqueue a job for later instead of waiting, or split it")


def _place(effect: Effect) -> str:
    return "" if effect.site is None else f" at {effect.site.short}"


_AFTER_COMMIT = "call after the COMMIT, or write what is to be sent into an outbox table in the same transaction"
_OUTSIDE = "make the call before the lock is taken, or after it is freed"
_SPLIT = "let it enqueue one small job for each object"
