"""Overlaps: complete within the bound, inconclusive beyond the budget, and audited."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobchaos import Settings, Verdict, check, overlaps
from jobchaos.core.events import Event, ScheduleRun
from tests.database import Sql


@pytest.fixture
def sql(sql: Sql) -> Sql:
    """With a second, empty table."""
    sql("CREATE TABLE seen (id INTEGER PRIMARY KEY)")
    return sql


def overlapped(job: Callable[[], object], **options: object) -> Verdict:
    settings = Settings().override({"profile": "quick", **options}, "the test")
    return check(job, faults=["concurrent"], settings=settings)


@pytest.fixture
def check_then_add(sql: Sql) -> Callable[[], None]:
    def job() -> None:
        if sql("SELECT points FROM users") == [(0,)]:
            sql("UPDATE users SET points = points + 10")

    return job


def sets(sql: Sql) -> None:
    sql("INSERT OR IGNORE INTO seen VALUES (7)")
    sql("UPDATE users SET points = 5")
    sql("SELECT points FROM users")


@pytest.mark.parametrize(
    ("options", "claim"),
    [
        ({}, "<= 2 copies with <= 1 preemption ("),
        ({"preemptions": 2, "kills": 1}, "<= 2 copies with <= 2 preemptions, <= 1 kill ("),
        ({"copies": 3}, "<= 3 copies with <= 1 preemption ("),
    ],
)
def test_the_claim_states_the_bound(sql: Sql, options: dict[str, int], claim: str) -> None:
    verdict = overlapped(lambda: sets(sql), **options)
    assert verdict.status == "holds"
    assert claim in verdict.claim
    (result,) = verdict.families
    assert result.run + result.pruned == result.planned


class Register:
    """Keeps a lock that no job knows by name, while it writes."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def enter(self, sql: Sql) -> None:
        with self._lock:
            sql("INSERT OR IGNORE INTO seen VALUES (7)")
            sql("UPDATE users SET points = 5")


class LogTable(logging.Handler):
    """Keeps the lock that all handlers have, while it writes."""

    sql: Sql

    def emit(self, _record: logging.LogRecord) -> None:
        self.sql("INSERT OR IGNORE INTO seen VALUES (7)")
        self.sql("UPDATE users SET points = 5")


class Client:
    """What it does on first use it does under a lock, before Python 3.12."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    @functools.cached_property
    def ready(self) -> bool:
        sets(self._sql)
        return True


REGISTERS = {"main": Register()}


def enters(sql: Sql) -> None:
    REGISTERS["main"].enter(sql)


@pytest.fixture
def log(sql: Sql) -> Iterator[logging.Logger]:
    handler = LogTable()
    handler.sql = sql
    logger = logging.getLogger("jobs")
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def test_locks_that_only_objects_know_are_waited_for_in_the_schedule(sql: Sql, log: logging.Logger) -> None:
    jobs: list[Callable[[], object]] = [lambda: enters(sql), lambda: Client(sql).ready, lambda: log.error("done")]
    for job in jobs:
        verdict = overlapped(job, guard=3.0)
        assert verdict.status == "holds", verdict.findings
        assert verdict.schedules_run > 1
    assert all(handler.lock.acquire(blocking=False) for handler in log.handlers if handler.lock)


def test_more_than_the_budget_is_inconclusive_and_says_what_would_fit(sql: Sql) -> None:
    verdict = overlapped(lambda: sets(sql), budget=1)
    assert (verdict.status, [finding.code for finding in verdict.findings]) == ("inconclusive", ["JC907"])
    (result,) = verdict.families
    assert result.run == 1
    assert f"{result.run} of {result.planned} concurrent" in verdict.findings[0].message
    assert "Raise budget=, lower copies=, preemptions= or kills=" in verdict.findings[0].message


def test_beyond_the_budget_schedules_are_sampled_and_that_is_said(sql: Sql) -> None:
    def raises() -> None:
        for number in range(6):
            sql(f"UPDATE users SET points = max(points, {number})")

    verdict = overlapped(raises, copies=3, preemptions=3, budget=40)
    assert verdict.status == "inconclusive"
    said = (
        r"covered only <= 3 copies with <= 1 preemption, and sampled (\d+) of about (\d+) concurrent schedules beyond"
    )
    match = re.search(said, verdict.findings[0].message)
    assert match is not None, verdict.findings[0].message
    (result,) = verdict.families
    assert 0 < int(match[1]) < result.run <= 40 < int(match[2])


def test_a_pause_that_matters_is_found(check_then_add: Callable[[], None]) -> None:
    verdict = overlapped(check_then_add)
    assert [(finding.code, str(finding.schedule)) for finding in verdict.findings] == [("JC203", "A1 B A")]


def test_a_job_that_fails_after_a_crash_alone_is_not_told_to_fail_when_copies_overlap(sql: Sql) -> None:
    def job() -> None:
        if sql("INSERT OR IGNORE INTO users VALUES (2, 0) RETURNING id"):
            sql("UPDATE users SET points = 10 WHERE id = 1")

    verdict = overlapped(job, kills=1)
    assert verdict.status == "holds"
    assert "no kills (one crash without any overlap is too much already)" in verdict.claim


def test_the_same_check_runs_the_same_schedules(sql: Sql) -> None:
    def schedules() -> list[str]:
        sql("UPDATE users SET points = 0")  # the last check has left what a clean run leaves
        sql("DELETE FROM seen")
        heard: list[Event] = []
        check(
            lambda: sets(sql),
            faults=["concurrent"],
            settings=Settings(preemptions=2, kills=1, audit=0.5),
            listener=heard.append,
        )
        return [str(event.schedule) for event in heard if isinstance(event, ScheduleRun)]

    assert schedules() == schedules()


def test_an_audit_names_the_two_effects_that_were_wrongly_taken_for_independent(
    sql: Sql, check_then_add: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlaps, "dependent", lambda _one, _other: False)
    verdict = overlapped(check_then_add, audit=1.0)
    assert (verdict.status, [finding.code for finding in verdict.findings]) == ("inconclusive", ["JC920"])
    (finding,) = verdict.findings
    assert "B's SELECT FROM users (database.py:" in finding.message
    assert "A's UPDATE users (database.py:" in finding.message
    # Both can be run, and show the difference.
    statuses = []
    for schedule in (finding.schedule, finding.nearest):
        assert schedule is not None
        sql("UPDATE users SET points = 0")
        statuses.append(check(check_then_add, schedule=schedule, settings=Settings(profile="quick")).status)
    assert sorted(statuses) == ["fails", "holds"]


def test_without_an_audit_a_wrong_independence_goes_unnoticed(
    check_then_add: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlaps, "dependent", lambda _one, _other: False)
    assert overlapped(check_then_add, audit=0).status == "holds"


def test_beginnings_that_came_in_another_order_are_not_tried_twice(tmp_path: Path) -> None:
    async def one(number: int) -> None:
        await asyncio.sleep(0)
        (tmp_path / f"{number}").write_text("x")

    async def two() -> None:
        await asyncio.gather(one(1), one(2))

    settings = Settings(profile="quick", preemptions=2, granularity="await")
    verdict = check(two, faults=["concurrent"], settings=settings)
    assert verdict.status == "holds"
    assert verdict.schedules_run < 120
