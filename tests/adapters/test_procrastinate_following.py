"""Procrastinate: locks and queueing locks of what a job defers, where that is run, too."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from jobchaos import Finding, Settings, Verdict, check
from jobchaos.adapted import job_of
from tests.database import Sql

procrastinate = pytest.importorskip("procrastinate")
isolated = pytest.mark.parametrize("isolation", ["thread", "process"])


@pytest.fixture
def app() -> Any:
    from procrastinate.testing import InMemoryConnector

    return procrastinate.App(connector=InMemoryConnector())


def follow(isolation: str = "thread", delivery: str = "auto") -> Settings:
    return Settings(profile="quick", follow=True, isolation=isolation, delivery=delivery)


def told(verdict: Verdict) -> list[tuple[str, str]]:
    return [(finding.code, str(finding.schedule)) for finding in verdict.findings if finding.gates]


def changes(finding: Finding) -> list[str]:
    assert finding.trace is not None
    return [effect.label for effect in finding.trace.effects() if effect.label.startswith("UPDATE")]


@isolated
@pytest.mark.parametrize(
    ("lock", "delivery", "found"),
    [
        ("user-1", "auto", []),
        (None, "auto", [("JC203", "A3 B A")]),
        ("user-1", "at-least-once", [("JC203", "A3 B A")]),
    ],
    ids=["one lock", "no lock", "taken for stalled"],
)
def test_children_with_one_lock_run_in_turn(
    app: Any, sql: Sql, isolation: str, lock: str | None, delivery: str, found: list[tuple[str, str]]
) -> None:
    @app.task(name="tops_up")
    def tops_up() -> None:
        if sql("SELECT points FROM users WHERE id = 1") == [(0,)]:
            sql("UPDATE users SET points = points + 5 WHERE id = 1")

    @app.task(name="begins")
    def begins() -> None:
        tops_up.configure(lock=lock).defer()

    verdict = check(job_of(begins, (), {}), faults=["concurrent"], settings=follow(isolation, delivery))
    assert told(verdict) == found


@isolated
@pytest.mark.parametrize(("lock", "status"), [("user-1", "holds"), (None, "fails")], ids=["one lock", "no lock"])
def test_of_children_with_one_lock_the_one_deferred_first_comes_first(
    app: Any, sql: Sql, isolation: str, lock: str | None, status: str
) -> None:
    """Right is what the later of two jobs has set, in both rows."""

    @app.task(name="sets")
    def sets(points: int) -> None:
        sql(f"UPDATE users SET points = {points} WHERE id = 2")

    @app.task(name="begins")
    def begins(points: int) -> None:
        sql(f"UPDATE users SET points = {points} WHERE id = 1")
        sets.configure(lock=lock).defer(points=points)

    sql("INSERT INTO users VALUES (2, 0)")
    jobs = [job_of(begins, (), {"points": points}) for points in (5, 7)]
    assert check(*jobs, schedule="A2 B A", settings=follow(isolation)).status == status


@isolated
def test_a_queueing_lock_is_free_while_its_job_runs(app: Any, sql: Sql, isolation: str) -> None:
    @app.task(name="walks")
    def walks(page: int) -> None:
        sql(f"INSERT OR IGNORE INTO users VALUES ({page}, 0)")
        if page < 4:
            with contextlib.suppress(procrastinate.exceptions.AlreadyEnqueued):
                walks.configure(queueing_lock="walk").defer(page=page + 1)

    @app.task(name="begins")
    def begins() -> None:
        with contextlib.suppress(procrastinate.exceptions.AlreadyEnqueued):
            walks.configure(queueing_lock="walk").defer(page=2)

    faults = ["duplicate", "crash"]
    verdict = check(job_of(begins, (), {}), faults=faults, settings=follow(isolation, "at-least-once"))
    assert told(verdict) == []
    assert sql("SELECT id FROM users") == [(1,), (2,), (3,), (4,)]


@isolated
def test_a_second_child_is_refused_while_the_first_one_waits_and_no_longer(app: Any, sql: Sql, isolation: str) -> None:
    @app.task(name="adds")
    def adds() -> None:
        sql("UPDATE users SET points = points + 5")

    @app.task(name="trusts")
    def trusts() -> None:
        adds.configure(queueing_lock="user-1").defer()
        sql("INSERT INTO users VALUES (2, 0)")

    def run(token: str) -> tuple[Finding, ...]:
        settings = follow(isolation, "at-least-once")
        return check(job_of(trusts, (), {}), schedule=token, settings=settings).findings

    (found,) = (finding for finding in run("A1!kill A") if finding.gates)
    assert (found.code, "already a job in the queue with the queueing lock user-1" in found.message) == ("JC304", True)
    sql("UPDATE users SET points = 0")
    sql("DELETE FROM users WHERE id = 2")
    (found,) = (finding for finding in run("A A1") if finding.gates)
    assert changes(found) == ["UPDATE users SET points = points + 5"] * 3


def test_states_are_told_apart_by_what_has_failed_on_the_way(app: Any, sql: Sql) -> None:
    """Else the death of the child alone would be said to end as that of a parent does which is refused then."""

    @app.task(name="adds")
    def adds() -> None:
        sql("UPDATE users SET points = points + 5")

    @app.task(name="trusts")
    def trusts() -> None:
        adds.configure(queueing_lock="user-1").defer()

    settings = follow(delivery="at-least-once")
    verdict = check(job_of(trusts, (), {}), faults=["crash"], settings=settings)
    assert told(verdict) == [("JC303", "A3!kill A"), ("JC304", "A1!kill A A")]
