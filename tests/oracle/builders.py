"""Short ways to write runs: what happened, what it left, and how each copy fared."""

from __future__ import annotations

from jobchaos.core.compare import Fresh
from jobchaos.core.effect import Effect, Foreign, Mode, Touch
from jobchaos.core.ignore import Ignore
from jobchaos.core.result import CopyResult, RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.snapshot import Row, Snapshot, State, Table
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.core.volatile import Volatile
from jobchaos.oracle.judge import Judge
from jobchaos.oracle.rules import Rules

LEDGERS = frozenset({"mail", "http"})
DONE = CopyResult(completed=True, attempts=1, error="")
AGAIN = CopyResult(completed=True, attempts=2, error="")


def world(
    *points: Row, mails: tuple[str, ...] = (), requests: tuple[str, ...] = (), files: tuple[Row, ...] = ()
) -> State:
    """A database with a table `users`, and two ledgers."""
    return {
        "app.db": Snapshot({"users": Table(("id", "points"), points, key=("id",))}),
        "mail": Snapshot({"mail": Table(("to", "subject"), tuple((to, "Welcome") for to in mails))}),
        "http": Snapshot({"http": Table(("method", "url"), tuple(("POST", url) for url in requests))}),
        "files": Snapshot({"files": Table(("path", "content"), files, key=("path",))}),
    }


def run(
    token: str,
    state: State,
    *events: TraceEvent,
    copies: dict[str, CopyResult] | None = None,
) -> RunResult:
    """A run of a schedule; all copies complete if nothing else is said."""
    schedule = Schedule.parse(token)
    fared = dict.fromkeys(schedule.copies, DONE) if copies is None else copies
    return RunResult(schedule, Trace(events), state, fared, Fresh(()), True, "", (), False, False)


def judge(expected: State, initial: State | None = None, *, ignore: tuple[str, ...] = ()) -> Judge:
    start = world((1, 0)) if initial is None else initial
    return Judge(run("A", expected), Rules(start, Volatile(), Ignore.parse(ignore), LEDGERS))


def gave_up(error: str) -> CopyResult:
    return CopyResult(completed=False, attempts=4, error=error)


def sql(label: str, *tables: str, durable: bool = True) -> Effect:
    touches = tuple(Touch(f"sql:/tmp/app.db/{table}", Mode.WRITE) for table in tables)
    return Effect("sql", label, touches, durable)


def mail(to: str = "ann@example.com") -> Effect:
    foreign = Foreign("mail", ("to", "subject"), (to, "Welcome"))
    return Effect("mail", f'SMTP {to} "Welcome"', (Touch(f"mail:{to}", Mode.APPEND),), True, None, foreign)


def did(effect: Effect, copy: str = "A", attempt: int = 1, *, applied: bool = True) -> TraceEvent:
    return TraceEvent(Happening.EFFECT, copy, attempt, effect, "", 0, applied)


def killed(following: Effect | None, copy: str = "A", attempt: int = 1) -> TraceEvent:
    return TraceEvent(Happening.KILLED, copy, attempt, following, "", 0)


def terminated(following: Effect | None, copy: str = "A", attempt: int = 1) -> TraceEvent:
    return TraceEvent(Happening.TERMINATED, copy, attempt, following, "", 0)


def paused(following: Effect | None, copy: str = "A") -> TraceEvent:
    return TraceEvent(Happening.PAUSED, copy, 1, following, "", 0)
