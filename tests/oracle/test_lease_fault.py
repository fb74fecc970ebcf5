"""LeaseFault: what has gone wrong with a lease, and what has not; and what a job may leave when it is late."""

from __future__ import annotations

import dataclasses

import pytest

from jobchaos.core.ignore import Ignore
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.core.volatile import Volatile
from jobchaos.oracle.lease_fault import kept_lease, lease_fault
from jobchaos.oracle.patient import PatientJudge
from jobchaos.oracle.rules import Rules
from tests.oracle.builders import LEDGERS, run, sql, world

SECOND = 10**9
NAME = "lease:sql:/tmp/app.db/leases"


def leased(copy: str, at: int, until: int) -> TraceEvent:
    return TraceEvent(Happening.LEASED, copy, 1, None, NAME, at * SECOND, until=until * SECOND)


def freed(copy: str, at: int) -> TraceEvent:
    return TraceEvent(Happening.RELEASED, copy, 1, None, NAME, at * SECOND)


def wrote(copy: str, at: int, *, table: str = "users", outcome: str = "1 row", applied: bool = True) -> TraceEvent:
    return TraceEvent(Happening.EFFECT, copy, 1, sql("UPDATE", table), outcome, at * SECOND, applied)


def ended(copy: str, at: int, how: Happening = Happening.FINISHED, attempt: int = 1) -> TraceEvent:
    return TraceEvent(how, copy, attempt, None, "", at * SECOND)


def fault(*events: TraceEvent) -> tuple[str, str] | None:
    found = lease_fault(Trace(events))
    return None if found is None else (found.code, found.text)


def test_two_hold_it_at_once() -> None:
    assert fault(leased("A", 0, 60), leased("B", 57, 117), wrote("A", 57)) == (
        "JC611",
        "A holds it until +60 s, B gets it at +57 s",
    )


def test_one_goes_on_when_it_has_run_out() -> None:
    assert fault(leased("A", 0, 60), leased("B", 62, 122), wrote("A", 63)) == (
        "JC612",
        "it ran out for A at +60 s, B gets it at +62 s, and A writes at +63 s",
    )


def test_one_frees_what_is_another_ones_and_a_third_gets_it() -> None:
    events = leased("A", 0, 60), leased("B", 62, 122), freed("A", 63), leased("C", 64, 124), wrote("B", 65)
    assert fault(*events) == ("JC613", "it ran out for A at +60 s, B gets it at +62 s, and A frees it")


@pytest.mark.parametrize(
    "events",
    [
        (leased("A", 0, 60), freed("A", 10), leased("B", 20, 80), wrote("A", 30)),
        (leased("A", 0, 60), leased("A", 50, 110), leased("B", 112, 170), wrote("B", 112)),
        (leased("A", 0, 60), ended("A", 1, Happening.KILLED), leased("B", 2, 62), wrote("B", 3)),
        (leased("A", 0, 60), leased("B", 62, 122), wrote("A", 63, outcome="0 rows")),
        (leased("A", 0, 60), leased("B", 62, 122), wrote("A", 63, applied=False)),
        (leased("A", 0, 60), leased("B", 62, 122), wrote("A", 63, table="leases")),
        (leased("A", 0, 60), wrote("A", 63)),
        (wrote("A", 0), wrote("B", 0)),
    ],
    ids=["freed", "renewed", "dead", "fenced", "refused", "the lease itself", "alone", "no lease"],
)
def test_a_lease_that_is_minded_explains_nothing(events: tuple[TraceEvent, ...]) -> None:
    assert fault(*events) is None


def test_a_finished_copy_keeps_its_lease() -> None:
    kept = leased("A", 0, 60), ended("A", 1), ended("A", 2, Happening.RAISED, attempt=2)
    found = kept_lease(Trace(kept))
    assert found is not None
    assert (found.code, found.text) == ("JC614", "A has finished and keeps it")
    assert kept_lease(Trace((*kept[:2], ended("A", 2, attempt=2)))) is None
    assert kept_lease(Trace((*kept[:2], ended("A", 61, Happening.RAISED, attempt=2)))) is None
    assert kept_lease(Trace((kept[0], freed("A", 0), *kept[1:]))) is None


# --- judging ---------------------------------------------------------------------------------------------------------

CLEAN, LATE, WRONG = world((1, 10)), world((1, 20)), world((1, 99))


def judge() -> PatientJudge:
    """The job adds 10 points, or 20 if it begins 61 s later."""

    def later(delay: int) -> RunResult:
        return run("A", LATE if delay >= 61 * SECOND else CLEAN)

    return PatientJudge(run("A", CLEAN), Rules(world((1, 0)), Volatile(), Ignore(()), LEDGERS), later)


@pytest.mark.parametrize(
    ("token", "state", "code"),
    [
        ("A1 +61s B A", CLEAN, ""),
        ("A1 +61s B A", LATE, ""),
        ("A1 +61s B A", WRONG, "JC603"),
        ("A1 +30s B +31s A", LATE, ""),
        ("A1 +30s B A", LATE, "JC603"),
        ("@B+5s A1 B A", LATE, "JC603"),
    ],
)
def test_a_late_job_may_do_what_one_delivery_would_do_then(token: str, state: object, code: str) -> None:
    result = dataclasses.replace(run(token, CLEAN), state=state)  # type: ignore[arg-type]
    assert judge().judge(result, "expiry").code == code


def test_where_no_time_passes_there_is_no_excuse() -> None:
    assert judge().judge(run("A1 B A", LATE), "concurrent").code == "JC203"


def test_a_fault_of_the_lease_is_the_reason() -> None:
    events = leased("A", 0, 60), leased("B", 62, 122), wrote("A", 63)
    judgement = judge().judge(run("A1 +61s B A", WRONG, *events), "expiry")
    assert judgement.code == "JC612"
    assert "lease leases: it ran out for A at +60 s" in judgement.detail
    assert judge().judge(run("A1 +61s B A", CLEAN, *events), "expiry").code == ""


def test_a_kept_lease_is_told_of_two_deliveries() -> None:
    events = leased("A", 0, 60), ended("A", 1), ended("A", 2, Happening.RAISED, attempt=2)
    assert judge().judge(run("A A", CLEAN, *events), "duplicate").code == "JC614"
    assert judge().judge(run("A B", CLEAN, *events), "concurrent").code == ""
