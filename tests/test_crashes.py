"""Crashes: all sequences of them, as a graph of states that closes or does not."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest

from jobchaos import FunctionStore, Settings, Verdict, check
from tests.database import Sql

QUICK = Settings(profile="quick")


def crashed(job: Callable[[], object], **options: object) -> Verdict:
    return check(job, faults=["crash"], settings=QUICK, **options)  # type: ignore[arg-type]


def found(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings}


def test_a_job_that_holds_does_so_for_any_number_of_crashes(sql: Sql) -> None:
    def job() -> None:
        sql("UPDATE users SET points = 1")
        sql("UPDATE users SET points = 2")

    verdict = crashed(job)
    assert verdict.status == "holds"
    # The initial state, and the one after each write.
    assert "any number of sequential crashes and redeliveries (fixpoint of 3 states)" in verdict.claim


def test_one_crash_that_leaves_half_of_the_work_is_found(sql: Sql) -> None:
    def job() -> None:
        if sql("SELECT points FROM users") == [(0,)]:
            sql("UPDATE users SET points = 1")
            sql("INSERT INTO users VALUES (2, 0)")

    assert found(crashed(job)) == {"JC303": "A2!kill A"}


def test_two_crashes_in_sequence_are_found_where_each_alone_is_harmless(sql: Sql) -> None:
    def job() -> None:
        (points,) = sql("SELECT points FROM users")[0]
        if points >= 2:
            return  # believes that it is done
        sql("UPDATE users SET points = points + 1")
        if points == 0:
            sql("UPDATE users SET points = 0")
        if points == 0:
            sql("UPDATE users SET points = 9")

    verdict = crashed(job)
    assert verdict.status == "fails"
    assert found(verdict) == {"JC303": "A2!kill A"}  # one is enough here: points = 1 grows to 2

    sql("UPDATE users SET points = 0")

    def twice() -> None:
        (points,) = sql("SELECT points FROM users")[0]
        if points == 2:
            return
        if points == 1:
            sql("UPDATE users SET points = 2")
        else:
            sql("UPDATE users SET points = 1")
        sql("UPDATE users SET points = 9")

    verdict = crashed(twice)
    assert found(verdict) == {"JC303": "A2!kill A2!kill A"}
    (finding,) = verdict.findings
    assert str(finding.nearest) in ("A2!kill A1!kill A", "A1!kill A2!kill A", "A2!kill A")


def test_a_state_that_grows_with_every_crash_is_named(sql: Sql) -> None:
    def job() -> None:
        sql("INSERT INTO users (points) VALUES (0)")
        sql("DELETE FROM users WHERE id = (SELECT max(id) FROM users)")
        sql("DELETE FROM users WHERE id > 1")

    verdict = crashed(job)
    assert verdict.status == "fails"
    assert list(found(verdict)) == ["JC305"]
    assert "leaves more behind with every crash" in verdict.findings[0].message
    assert verdict.findings[0].fix


def test_a_job_that_reads_the_time_is_followed_for_a_few_crashes_only(sql: Sql) -> None:
    def job() -> None:
        sql(f"UPDATE users SET points = {int(time.time() > 0)}")

    verdict = crashed(job)
    assert verdict.status == "holds"
    assert "(not any number, as the job looks at the time)" in verdict.claim
    assert "fixpoint" not in verdict.claim


def test_a_job_may_decide_by_what_is_left_out(sql: Sql) -> None:
    sql("CREATE TABLE attempts (number INTEGER)")
    sql("INSERT INTO attempts VALUES (0)")

    def gives_up() -> None:
        sql("UPDATE attempts SET number = number + 1")
        sql(f"UPDATE users SET points = {9 if sql('SELECT number FROM attempts') > [(3,)] else 1}")

    def counts() -> None:
        sql("UPDATE attempts SET number = number + 1")
        sql("UPDATE users SET points = 1")

    settings = Settings(profile="quick", ignore=("attempts",))
    verdict = check(gives_up, faults=["crash"], settings=settings)
    assert found(verdict) == {"JC303": "A1!kill A1!kill A1!kill A"}
    verdict = check(counts, faults=["crash"], settings=settings)
    assert verdict.status == "holds"
    assert "states; after 3 of them, what is left out is taken to decide nothing)" in verdict.claim


def test_a_store_that_can_only_be_reset_has_its_way_executed_again() -> None:
    state: list[int] = [0]

    class Shelf:
        """A far end that only its own functions reach."""

        resets = itertools.count(1)

    def reset() -> None:
        next(Shelf.resets)
        state[0] = 0

    store = FunctionStore(snapshot=lambda: state[0], reset=reset, name="shelf")

    def job() -> None:
        state[0] = 1
        state[0] = 2

    verdict = check(job, stores=[store], faults=["crash"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert "fixpoint" in verdict.claim
    # Every attempt begins with a reset, as no other state can be brought back.
    assert next(Shelf.resets) > verdict.schedules_run


def test_a_redelivery_that_is_refused_although_the_work_is_done_is_advice(sql: Sql) -> None:
    verdict = crashed(lambda: sql("INSERT INTO users VALUES (2, 5)"))
    assert verdict.status == "holds"
    assert [finding.code for finding in verdict.findings] == ["JC701"]


@pytest.mark.thorough
def test_what_goes_wrong_late_in_a_job_is_found_within_a_small_budget(sql: Sql) -> None:
    def job() -> None:
        for number in range(2, 102):
            how = "INSERT" if number == 80 else "INSERT OR IGNORE"
            sql(f"{how} INTO users VALUES ({number}, 0)")

    verdict = check(job, faults=["crash"], settings=Settings(profile="quick", budget=30))
    ((code, token),) = ((finding.code, str(finding.schedule)) for finding in verdict.findings if finding.gates)
    assert (code, token) == ("JC304", "A79!kill A")
