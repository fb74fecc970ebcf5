"""Wording: one sentence that a tired person understands, and what usually helps."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterable

from jobchaos.core.diff import Change, Diff
from jobchaos.core.effect import Effect
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Fault, Skew, Wait
from jobchaos.core.trace import Happening, TraceEvent
from jobchaos.oracle.judge import Judgement, first_change
from jobchaos.oracle.lateness import nobody_answers
from jobchaos.oracle.shortening import short, short_request, shortened

_AWAITED = re.compile(r"^(waits for ever for )[a-z]+:(\S+)$")
_SECOND = 10**9

_SILENT = (Fault.HANG, Fault.LATE, Fault.SLOW)

FIXES = {
    1: "give the effect an identity the far end knows (a Message-ID or idempotency key derived from the job's "
    "arguments), or write it to an outbox table in the same transaction as the state it belongs to",
    2: "record that the effect is done only after it is, or write it to an outbox in the same transaction",
    3: "make the write idempotent (upsert, unique key, compare-and-set) and do read and write in one transaction "
    "that holds the lock",
    4: "let locks and 'doing' marks expire or be taken over by a redelivery, and treat work that is done as success",
}
"""By the last digit of the code."""

_FIX_OF_FILES = (
    "write a second file, under a name that is always the same, and rename it over the first; look what is there "
    "before you append or count, under a lock that is held until it is written (flock)"
)

_GONE = {
    "JC306": "is lost",
    "JC307": "stays marked as running, and is never finished,",
    "JC614": "keeps its lease, at which its next delivery fails,",
}

_ONE_TRANSACTION = (
    "read and write in one transaction that takes its lock before it reads (BEGIN IMMEDIATE, SELECT ... FOR UPDATE)"
)

FIXES_BY_CODE = {
    "JC205": f"{_ONE_TRANSACTION}, or write only if what was read is still so (UPDATE ... WHERE version = ?)",
    "JC206": f"{_ONE_TRANSACTION}, on something that both jobs write or lock, or let a constraint guard the rule",
    "JC207": "read everything that belongs together in one statement or one transaction",
    "JC208": "make all writes of a job in one transaction, or let all jobs take the same lock first",
    "JC209": "let the jobs that exclude each other take the same lock first",
    "JC305": "let a redelivery find and reuse, or remove, what a dead attempt has left: name it after the arguments",
    "JC306": "let the message be acknowledged after the work, so that it is delivered again; or mark the test with "
    'delivery="at-most-once" if a loss does no harm',
    "JC308": "catch the exception, undo or finish what was begun, and let the job be retried",
    "JC307": "let something find jobs whose worker is gone, and put them back",
    "JC415": "let the error go on to the queue, which redelivers the job, or undo what belongs to the call",
    "JC506": "bound it: a number of executions, or a total time, and then a red flag",
    "JC507": "leave the loop when the call has succeeded: return, break, or test its result",
    "JC508": "catch only the errors that may pass (a reset connection, a timeout, 429, 503), and let all others out",
    "JC509": "retry at one level only: in the job for moments, or by the queue for minutes and more",
    "JC510": "count executions, the first included, in one place; or give the policy that is meant, as policy=",
    "JC511": "let one library compute the delays; or give the policy that is meant, as policy=",
    "JC512": "write a dead letter, or alert somebody, where the job is given up: in on_failure, or after the last try",
    "JC513": "raise it where the job is given up, not wherever a try fails",
    "JC514": "undo what was begun, do it all in one transaction, or declare what may be left: RedFlag...(leaves=[...])",
    "JC530": "count calls where all workers see it, and over a sliding window: a row or key for each call, taken in "
    "the transaction that counts; a token bucket must hold no more than calls minus what it refills in a window",
    "JC531": "wait, or let the job be delivered later (raise the queue's Retry); do not drop what comes too fast",
    "JC505": "let the error go on to the queue, which redelivers the job, or undo what belongs to the failed call",
    "JC603": "let each write that a lease guards say whose it is (UPDATE ... WHERE token = ?), so that one that comes "
    "too late changes nothing",
    "JC604": "let what runs out be taken over: compare its time in the statement that takes it",
    "JC611": "take the lease in one statement that compares and sets (UPDATE ... WHERE expires < ?, SET NX PX), and "
    "leave a margin for clocks that differ",
    "JC612": "check a fencing token in the same statement as the write (UPDATE ... WHERE token = ?), so that one that "
    "comes too late changes nothing",
    "JC613": "free a lease only if it is still yours (DELETE ... WHERE name = ? AND owner = ?)",
    "JC614": "free the lease when the work is done, in a finally block",
}
"""By the whole code, where the last digit does not tell enough."""


def message(job: str, run: RunResult, judgement: Judgement, ledgers: frozenset[str]) -> str:
    """What goes wrong, and when: `send(1) mails ann@example.com twice when its worker dies after ...`."""
    if judgement.said:
        when = f" {_circumstance(run, several=False)}" if run.schedule.fails else ""
        return f"{job} {judgement.said}{when}"
    circumstance = _circumstance(run, several=bool(judgement.against)) + _meantime(run)
    text = f"{job} {_consequence(run, judgement, ledgers)} {circumstance}"
    return f"{text}; no serial order does (nearest: {judgement.against})" if judgement.against else text


def fix(code: str, diff: Diff | None = None) -> str:
    """What usually helps against findings of this code; in a state that differs so."""
    general = FIXES.get(int(code[-1]), "")
    if general == FIXES[3] and diff is not None and diff.changes and all(map(_file, diff.changes)):
        general = _FIX_OF_FILES
    return FIXES_BY_CODE.get(code) or general


def _consequence(run: RunResult, judgement: Judgement, ledgers: frozenset[str]) -> str:
    change = first_change(judgement.comparison, ledgers)
    if judgement.code in _GONE:
        return _GONE[judgement.code]
    if change is None and not judgement.unfinished:
        return "completes where one of the jobs should fail"
    if (judgement.unfinished and judgement.code.endswith(("4", "8"))) or change is None:
        letter = judgement.unfinished[0]
        return f"never completes ({_AWAITED.sub(_bare, run.copies[letter].error) or 'killed'})"
    if change.store in ledgers:
        return _foreign(change, judgement.comparison.diff, judgement.against or "one run")
    if change.kind == "changed":
        column, old = next(iter(change.before.items()))
        place, value, wanted = _place(change, column), _value(change.row[column]), _value(old)
        if value == wanted:  # what differs is further on
            return f"leaves another {place} than {judgement.against or 'one run'} does"
        return f"leaves {place} = {value}, expected {wanted},"
    return _rows(change, judgement.comparison.diff, judgement.against or "one run")


def _bare(awaited: re.Match[str]) -> str:
    return f"{awaited.group(1)}{posixpath.basename(awaited.group(2))}"


def _foreign(change: Change, diff: Diff, reference: str) -> str:
    what = _sent(change)
    if change.count and change.expected:
        return f"{what} {_times(change.count)}"
    alike = (other for other in diff.changes if other.store == change.store and other.kind != change.kind)
    if what in map(_sent, alike):
        return f"{what} with other content than {reference} does"
    return f"{what}, which {reference} does not," if change.count else f"never {what}"


def _sent(change: Change) -> str:
    row = {column: str(value) for column, value in change.row.items()}
    if change.store == "queue":
        call = f"{row['task']}({row['arguments']})" if row["task"] else row["arguments"]
        return f"enqueues {shortened(call)}"
    if change.store == "pubsub":
        return f"publishes {shortened(row['message'])} to {row['channel']}"
    if change.store == "mail":
        return f"mails {row['to']}"
    return f"sends {short_request(row['method'], row['url'])}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


_IN_MEMORY = {"attribute": "{}.{}", "key": "{}[{!r}]", "index": "{}[{}]"}
"""How Python writes a part of an object, of a mapping, of a sequence."""


def _place(change: Change, column: str) -> str:
    name = change.row.get("name")
    if isinstance(name, str) and change.row.keys() == {"name", "value"}:  # of a module, or of a class
        return f"{change.table}.{name}"
    for part, form in _IN_MEMORY.items():
        if change.store == change.table and change.row.keys() == {part, "value"}:
            return form.format(change.table, change.row[part])
    return _file(change) if _file(change) and column == "content" else f"{change.table}.{column}{change.beside}"


def _file(change: Change) -> str:
    path = change.row.get("path") if change.table == "files" else None
    return posixpath.basename(path.rstrip("/")) if isinstance(path, str) else ""


def _rows(change: Change, diff: Diff, reference: str) -> str:
    """How many there are, or that they are others than after `reference`; the rest is told by the diff."""
    alike = [other for other in diff.changes if (other.store, other.table) == (change.store, change.table)]
    file = _file(change)
    what, place = ("file", "") if file else ("row", f" in {change.table}{change.beside}")
    if len({other.kind for other in alike}) > 1:
        return f"leaves other {what}s{place} than {reference} does"
    if file and len(alike) == 1:
        return f"leaves {file}, which {reference} does not," if change.kind == "extra" else f"does not leave {file}"
    difference = sum(abs(other.count - other.expected) for other in alike)
    rows = f"one {what}" if difference == 1 else f"{difference} {what}s"
    return f"leaves {rows} too {'many' if change.kind == 'extra' else 'few'}{place}"


def _value(value: object) -> str:
    return shortened(repr(value))


def _meantime(run: RunResult) -> str:
    """What becomes of the time."""
    passed = sum(segment.nanoseconds for segment in run.schedule.segments if isinstance(segment, Wait))
    wrong = [segment for segment in run.schedule.segments if isinstance(segment, Skew)]
    told = [f", and {passed / _SECOND:g} s pass in between"] if passed else []
    for skew in wrong:
        how = "fast" if skew.nanoseconds > 0 else "slow"
        told.append(f", while {skew.copy}'s clock is {abs(skew.nanoseconds) / _SECOND:g} s {how}")
    return "".join(told)


def _circumstance(run: RunResult, *, several: bool) -> str:
    for position, segment in enumerate(run.schedule.runs):
        if segment.fault in (*_SILENT, Fault.LIMIT) or (segment.fault is not None and run.schedule.fails):
            return f"when {_failed(run, position)}"
    events = run.trace.events
    dies = any(segment.fault is Fault.KILL for segment in run.schedule.runs)  # if not: what never ends is ended
    for position, event in enumerate(events):
        if event.happening is Happening.KILLED and dies:
            return f"when its worker dies {_killed(_attempt(events[:position], event), event)}"
        if event.happening is Happening.TERMINATED:
            place = _killed(_attempt(events[:position], event), event)
            return f"when its worker is terminated {place}{_cleaned_up(_attempt(events[position:], event))}"
    for position, event in enumerate(events):
        if event.happening is Happening.PAUSED and len(run.copies) > 1:
            paused = _paused(_attempt(events[:position], event), event)
            if several:
                return f"when {_meanwhile(events[position:], event.copy)} {paused} of {event.copy}"
            return f"when a second copy runs {paused}"
    if several:
        return f"when run as '{run.schedule}'"
    if len(run.copies) > 1:
        return "when two copies run, even one after the other"
    return f"when it is delivered {_times(len(run.schedule.runs))}"


def _failed(run: RunResult, position: int) -> str:
    """Which call fails where a segment of the schedule ends."""
    fault = run.schedule.runs[position]
    hung = run.copies[fault.copy].hung
    if fault.fault in _SILENT:
        return nobody_answers(fault.fault, hung)
    steps = sum(other.steps or 0 for other in run.schedule.runs[: position + 1] if other.copy == fault.copy)
    effects = run.trace.effects(fault.copy)
    call = short(effects[steps]) if steps < len(effects) else "a call"
    if fault.fault is Fault.LIMIT:
        return f"its time is over before {call}"
    if fault.fault is Fault.LOST:
        return f"the answer to {call} is lost"
    if fault.fault is Fault.FATAL:
        return f"{call} fails with an error that is fatal"
    if fault.fault is Fault.DOWN:
        late = ", and each retry comes as late as it may" if fault.late else ""
        return f"{call} fails {_times(fault.count) if fault.count else 'for good'}{late}"
    return f"{call} fails"


def _meanwhile(following: Iterable[TraceEvent], paused: str) -> str:
    """Which copies have moved until the paused one goes on: `B runs`, `B and C run`."""
    others = itertools.takewhile(lambda event: event.copy != paused or event.happening is Happening.PAUSED, following)
    letters = sorted({event.copy for event in others} - {paused, ""})
    return f"{' and '.join(letters)} {'runs' if len(letters) == 1 else 'run'}"


def _attempt(events: Iterable[TraceEvent], event: TraceEvent) -> list[Effect]:
    """What the attempt that was interrupted by `event` did in some of the events."""
    return [
        past.effect
        for past in events
        if past.effect is not None
        and past.happening is Happening.EFFECT
        and past.applied
        and (past.copy, past.attempt) == (event.copy, event.attempt)
    ]


def _killed(done: list[Effect], event: TraceEvent) -> str:
    # What lasts is what matters: a statement that is rolled back explains nothing.
    lasting = [effect for effect in done if effect.durable] or done
    after = f"after {short(lasting[-1])}" if lasting else ""
    if event.effect is not None:
        return f"{after} and before {short(event.effect)}" if after else f"before {short(event.effect)}"
    return f"{after or 'after its work'} and before it is acknowledged"


def _cleaned_up(done: list[Effect]) -> str:
    lasting = [effect for effect in done if effect.durable]
    return f", and cleans up with {short(lasting[-1])}" if lasting else ""


def _paused(done: list[Effect], event: TraceEvent) -> str:
    if event.effect is None:
        return f"between {short(done[-1])} and its end" if done else "before its end"
    return f"between {short(done[-1])} and {short(event.effect)}" if done else f"before {short(event.effect)}"
