"""Wording: one sentence that a tired person understands, and what usually helps."""

from __future__ import annotations

import re

from jobchaos.core.diff import Change
from jobchaos.core.effect import Effect
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening, TraceEvent
from jobchaos.oracle.judge import Judgement, first_change

_TIMES = {0: "not at all", 1: "once", 2: "twice"}
_SQL = re.compile(r"(INSERT\s+(?:OR \w+ )?INTO|REPLACE\s+INTO|UPDATE|DELETE\s+FROM|SELECT)\b.*?", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:INTO|UPDATE|FROM)\s+[\"'`\[]?([\w.]+)", re.IGNORECASE)
_SHORT = 60

FIXES = {
    1: "give the effect an identity the far end knows (a Message-ID or idempotency key derived from the job's "
    "arguments), or write it to an outbox table in the same transaction as the state it belongs to",
    2: "record that the effect is done only after it is, or write it to an outbox in the same transaction",
    3: "make the write idempotent (upsert, unique key, compare-and-set) and do read and write in one transaction "
    "that holds the lock",
    4: "let locks and 'doing' marks expire or be taken over by a redelivery, and treat work that is done as success",
}
"""By the last digit of the code."""


def message(job: str, run: RunResult, judgement: Judgement, ledgers: frozenset[str]) -> str:
    """What goes wrong, and when: `send(1) mails ann@example.com twice when its worker dies after ...`."""
    return f"{job} {_consequence(run, judgement, ledgers)} {_circumstance(run)}"


def fix(code: str) -> str:
    """What usually helps against findings of this code."""
    return FIXES.get(int(code[-1]), "")


def short(effect: Effect) -> str:
    """An effect in a few words."""
    if effect.kind == "mail":
        return f"the mail to {effect.label.split(' ')[0]}"
    if effect.kind == "sql" and _SQL.match(effect.label):
        table = _TABLE.search(effect.label)
        return f"{effect.label.split(' ')[0].upper()} {table.group(1) if table else ''}".strip()
    return effect.label if len(effect.label) <= _SHORT else effect.label[: _SHORT - 3] + "..."


def _consequence(run: RunResult, judgement: Judgement, ledgers: frozenset[str]) -> str:
    change = first_change(judgement.comparison, ledgers)
    if judgement.code.endswith("4") or change is None:
        letter = judgement.unfinished[0]
        return f"never completes ({run.copies[letter].error or 'killed'})"
    if change.store in ledgers:
        return _foreign(change)
    if change.kind == "changed":
        column, old = next(iter(change.before.items()))
        return f"leaves {change.table}.{column} = {_value(change.row[column])}, expected {_value(old)},"
    if change.kind == "extra":
        return f"leaves {_rows(change.count, change.expected)} in {change.table} than one run"
    return f"loses a row of {change.table}"


def _foreign(change: Change) -> str:
    times = _TIMES.get(change.count, f"{change.count} times")
    if change.store == "mail":
        return f"mails {change.row.get('to', '')} {times}"
    return f"sends {change.row.get('method', '')} {change.row.get('url', '')} {times}"


def _rows(count: int, expected: int) -> str:
    more = count - expected
    return "one more row" if more == 1 else f"{more} more rows"


def _value(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."


def _circumstance(run: RunResult) -> str:
    events = run.trace.events
    for position, event in enumerate(events):
        if event.happening is Happening.KILLED:
            return f"when its worker dies {_between(events[:position], event)}"
    for position, event in enumerate(events):
        if event.happening is Happening.PAUSED:
            return f"when a second copy runs {_between(events[:position], event)}"
    if len(run.copies) > 1:
        return "when two copies run, even one after the other"
    if any(segment.fault for segment in run.schedule.runs):
        return "when a call fails"
    deliveries = len(run.schedule.runs)
    return f"when it is delivered {_TIMES.get(deliveries, f'{deliveries} times')}"


def _between(before: tuple[TraceEvent, ...], event: TraceEvent) -> str:
    done = [past.effect for past in before if past.happening is Happening.EFFECT and past.copy == event.copy]
    last = short(done[-1]) if done and done[-1] is not None else ""
    if event.effect is None:
        return f"after {last or 'its work'} and before it is acknowledged"
    following = short(event.effect)
    if not last:
        return f"before {following}"
    return f"after {last} and before {following}" if event.happening is Happening.KILLED else (
        f"between {last} and {following}"
    )
