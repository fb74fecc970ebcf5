"""Whether a run of different jobs is right: state and completion must be those of one and the same serial order."""

from __future__ import annotations

import pytest

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.ignore import Ignore
from jobchaos.core.result import CopyResult, RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.snapshot import State
from jobchaos.core.trace import Happening, TraceEvent
from jobchaos.core.volatile import Volatile
from jobchaos.oracle.judge import Judgement
from jobchaos.oracle.rules import Rules
from jobchaos.oracle.serial import SerialJudge
from jobchaos.oracle.wording import message
from tests.oracle.builders import DONE, LEDGERS, did, gave_up, paused, run, sql, world

BOTH = {"A": DONE, "B": DONE}
NO_REFUND = {"A": DONE, "B": gave_up("ValueError: nothing paid")}
READ = Effect("sql", "SELECT points FROM users", (Touch("sql:/tmp/app.db/users", Mode.READ),))
WRITE = sql("UPDATE users SET points = 1", "users")
LOST = (did(READ), paused(WRITE), did(WRITE, "B"), TraceEvent(Happening.FINISHED, "B", 1, None, "", 0), did(WRITE))


def later(schedule: Schedule) -> RunResult:
    """Who comes a minute late leaves 7 points more."""
    return run(str(schedule), world((1, 17)), copies=BOTH)


def judged(
    state: State, *events: TraceEvent, copies: dict[str, CopyResult] | None = None, token: str = "A1 B A"
) -> tuple[RunResult, Judgement]:
    """After A B there are 10 points; after B A 20, and B has failed."""
    orders = [run("A B", world((1, 10)), copies=BOTH), run("B A", world((1, 20)), copies=NO_REFUND)]
    labels = {"A": "pay()", "B": "refund()"}
    judge = SerialJudge(orders, labels, Rules(world((1, 0)), Volatile(), Ignore.parse(()), LEDGERS), later)
    overlapped = run(token, state, *events, copies=copies or BOTH)
    return overlapped, judge.judge(overlapped, "concurrent")


@pytest.mark.parametrize(("points", "copies"), [(10, BOTH), (20, NO_REFUND)])
def test_what_a_serial_order_leaves_is_right(points: int, copies: dict[str, CopyResult]) -> None:
    _, judgement = judged(world((1, points)), *LOST, copies=copies)
    assert (judgement.code, judgement.against, judgement.detail) == ("", "", "")


def test_another_state_is_told_against_the_nearest_order() -> None:
    _, judgement = judged(world((1, 20), (2, 5)), *LOST)
    assert judgement.code == "JC205"
    assert judgement.against == "B then A"
    assert (
        judgement.detail == "lost update: A reads users -> B writes users -> A writes users\nA is pay(), B is refund()"
    )
    assert [change.kind for change in judgement.comparison.diff.changes] == ["extra"]


def test_a_wrong_state_without_a_cycle_has_no_name() -> None:
    _, judgement = judged(world((1, 30)), did(WRITE), did(WRITE, "B"))
    assert (judgement.code, judgement.detail) == ("JC209", "A is pay(), B is refund()")


def test_a_job_that_completes_in_the_order_must_complete() -> None:
    copies = {"A": DONE, "B": gave_up("waits for ever for sql:/tmp/app.db")}
    _, judgement = judged(world((1, 10)), copies=copies)
    assert (judgement.code, judgement.unfinished) == ("JC204", ("B",))


def test_a_job_that_fails_in_the_order_must_fail() -> None:
    broken, judgement = judged(world((1, 20)), *LOST)
    assert (judgement.code, judgement.unfinished, judgement.against) == ("JC205", (), "B then A")
    assert message("pay() with refund()", broken, judgement, LEDGERS) == (
        "pay() with refund() completes where one of the jobs should fail when B runs between SELECT FROM users and "
        "UPDATE users of A; no serial order does (nearest: B then A)"
    )


@pytest.mark.parametrize(
    ("events", "circumstance"),
    [
        (LOST, "when B runs between SELECT FROM users and UPDATE users of A"),
        ((paused(READ), did(WRITE, "B"), did(WRITE, "C"), did(READ)), "when B and C run before SELECT FROM users of A"),
        ((), "when run as 'A1 B A'"),
    ],
)
def test_when_different_jobs_go_wrong(events: tuple[TraceEvent, ...], circumstance: str) -> None:
    broken, judgement = judged(world((1, 10), (2, 5)), *events)
    assert message("pay() with refund()", broken, judgement, LEDGERS) == (
        f"pay() with refund() leaves one row too many in users {circumstance}; no serial order does (nearest: A then B)"
    )


def test_where_time_passes_an_order_at_that_time_is_right_too() -> None:
    assert judged(world((1, 17)), *LOST)[1].code == "JC205"
    _, judgement = judged(world((1, 17)), *LOST, token="A1 +60s B A")
    assert (judgement.code, judgement.detail) == ("", "")
    assert judged(world((1, 18)), *LOST, token="A1 +60s B A")[1].code == "JC205"
