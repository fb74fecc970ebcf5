"""Time in schedules, end to end: tokens are carried out alike in threads, processes and tasks, and quickly."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import jobchaos
from jobchaos import Job, RetryPolicy, Settings, check
from jobchaos.core.terms import AfterKill, Terms
from jobchaos.core.verdict import Verdict
from jobchaos.report.json_report import to_dict
from jobchaos.report.text import render

NOON = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.timezone.utc)
QUICK = Settings(profile="quick", now=NOON, ignore=("leases",))
SCHEMA = """
CREATE TABLE leases (name TEXT PRIMARY KEY, expires REAL);
CREATE TABLE payments (cents INTEGER);
CREATE TABLE times (at REAL);
INSERT INTO leases VALUES ('x', 0);
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    database = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript(SCHEMA)
    return database


@pytest.fixture
def pay(path: Path) -> Callable[[], None]:
    """Pays once, as long as its lease lasts."""

    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            now = time.time()
            if not db.execute("UPDATE leases SET expires = ? WHERE expires < ?", (now + 60, now)).rowcount:
                raise RuntimeError("busy")
            if not db.execute("SELECT count(*) FROM payments").fetchone()[0]:
                db.execute("INSERT INTO payments VALUES (1000)")
            db.execute("UPDATE leases SET expires = 0")

    return job


def codes(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("A2 +61s B A", "JC612"),
        ("A2 +58s B A", ""),
        ("@B+5s A2 +57s B A", "JC611"),
        ("@B-5s A2 +61s B A", ""),
        ("A2!kill +61s A", ""),
        ("A +61s A", ""),
    ],
)
def test_a_token_with_time_is_carried_out(pay: Callable[[], None], token: str, code: str, isolation: str) -> None:
    settings = QUICK.override({"isolation": isolation}, "the test")
    assert codes(check(pay, settings=settings, schedule=token)) == ({code: token} if code else {})


def test_a_token_with_time_is_carried_out_in_one_event_loop(path: Path) -> None:
    async def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("DELETE FROM times")
            await asyncio.sleep(0)
            db.execute("INSERT INTO times VALUES (?)", (time.time() - NOON.timestamp(),))

    settings = Settings(profile="quick", now=NOON, granularity="await", ignore=("times",))
    verdict = check(job, settings=settings, schedule="A2 +61s B A")
    assert verdict.status == "holds", verdict.findings
    with contextlib.closing(sqlite3.connect(path)) as db:  # what one clean run leaves
        assert db.execute("SELECT at FROM times").fetchall() == [(0.0,)]


def test_the_same_check_gives_the_same_report(pay: Callable[[], None], path: Path) -> None:
    reports = []
    for _ in range(2):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("DELETE FROM payments")  # a check leaves what one clean run leaves
        reports.append(render(check(pay, faults=["expiry"], settings=QUICK)))
    assert reports[0] == reports[1]
    assert "   time      A " in reports[0]
    assert re.search(r"\n +\+61 s +61 s pass\n", reports[0])


def test_json_tells_when_things_happen(pay: Callable[[], None]) -> None:
    (finding,) = to_dict(check(pay, faults=["expiry"], settings=QUICK), "test.py::test")["findings"]
    first = int(NOON.timestamp()) * 10**9
    at = {moment["happening"]: moment["at"] - first for moment in finding["trace"]}
    assert at["time"] == 61 * 10**9
    assert {"leased", "released", "time"} <= at.keys()


def test_skew_is_tried_on_request_only(pay: Callable[[], None]) -> None:
    assert codes(check(pay, faults=["expiry"], settings=QUICK)).keys() == {"JC612"}


def test_a_fast_clock_lets_two_hold_a_lease_at_once(pay: Callable[[], None]) -> None:
    verdict = check(pay, faults=["expiry"], settings=QUICK.override({"skew": 5}, "the test"))
    assert codes(verdict) == {"JC611": "@B+5s A2 +58500ms B A", "JC612": "A2 +61s B A"}


SOFT = Terms(
    system="Own", level="body", after_kill=AfterKill.REDELIVERED, because="", setting="", duplicates="", soft_limit=30
)
STATED: dict[str, tuple[Callable[[Callable[[], None]], Job], dict[str, object]]] = {
    "visibility timeout": (lambda job: Job(job), {"visibility_timeout": 30}),
    "soft limit": (lambda job: Job.delivered(job, (), {}, name="job", terms=SOFT), {}),
    "next retry": (lambda job: Job(job).with_policy(RetryPolicy(executions=3, delays=30)), {}),
}
"""What its queue does 30 s after a job began: how to say so."""


@pytest.mark.parametrize("kind", STATED)
def test_time_passes_to_what_the_queue_does_next(path: Path, kind: str) -> None:
    """The job itself states no time to come: it only looks how long it has taken."""

    def job() -> None:
        begun = time.time()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("DELETE FROM payments")
            late = time.time() - begun > 29
            db.execute("INSERT INTO payments VALUES (?)", (2000 if late else 1000,))
            db.execute("INSERT INTO times VALUES (?)", (begun,))
            db.execute("DELETE FROM times")

    near = QUICK.override({"horizon": 20}, "the test")
    assert codes(check(job, faults=["expiry"], settings=near)) == {}
    told, setting = STATED[kind]
    verdict = check(told(job), faults=["expiry"], settings=QUICK.override(setting, "the test"))
    assert codes(verdict) == {"JC603": "A0 +31s A"}
    assert codes(check(told(job), faults=["expiry"], settings=near.override(setting, "the test"))) == {}


def test_time_passes_to_the_end_of_a_lease(pay: Callable[[], None]) -> None:
    assert codes(check(pay, faults=["expiry"], settings=QUICK)) == {"JC612": "A2 +61s B A"}


def test_what_runs_longer_than_the_horizon_is_told(pay: Callable[[], None]) -> None:
    verdict = check(pay, faults=["expiry", "duplicate"], settings=QUICK.override({"horizon": 30}, "the test"))
    assert verdict.status == "holds"
    assert "not tried: 60 s" in verdict.claim


def test_a_job_that_never_asks_for_the_time_has_no_such_family(path: Path) -> None:
    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("DELETE FROM payments")

    verdict = check(job, settings=QUICK)
    assert "expiry" not in [family.name for family in verdict.families]


def test_a_job_that_sleeps_for_three_days_is_checked_at_once(path: Path) -> None:
    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            for _ in range(3):
                time.sleep(24 * 3600)
            with jobchaos.lease("x", 60):
                db.execute("INSERT INTO payments SELECT 1000 WHERE NOT EXISTS (SELECT 1 FROM payments)")

    verdict = check(job, settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert "60 s running out at every step" in verdict.claim


@pytest.mark.parametrize("name", ["horizon", "skew", "visibility_timeout"])
@pytest.mark.parametrize("value", [-1, "5", True, float("inf"), float("nan")])
def test_bad_settings(name: str, value: object) -> None:
    with pytest.raises(jobchaos.UsageError, match=f"{name} must be a number of seconds"):
        Settings().override({name: value}, "the test")


# --- different jobs --------------------------------------------------------------------------------------------------


def add(path: Path, cents: int, fence: str) -> None:
    """Reads the total and writes a new one, under a lease."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        now = time.time()
        if not db.execute("UPDATE leases SET expires = ? WHERE expires < ?", (now + 60, now)).rowcount:
            raise RuntimeError("busy")
        (total,) = db.execute("SELECT coalesce(max(cents), 0) FROM payments").fetchone()
        if not db.execute(f"INSERT INTO payments SELECT ? WHERE {fence}", (total + cents, now + 60)).rowcount:
            raise RuntimeError("somebody else has the lease by now")
        db.execute("UPDATE leases SET expires = 0 WHERE expires = ?", (now + 60,))


def test_a_lease_of_one_job_runs_out_while_a_different_one_runs(path: Path) -> None:
    verdict = check(Job(add, path, 10, "? > 0"), Job(add, path, 5, "? > 0"), settings=QUICK)
    assert codes(verdict) == {"JC612": "A2 +61s B A"}
    (finding,) = [finding for finding in verdict.findings if finding.gates]
    assert "it ran out for A at +60 s, B gets it at +62 s, and A writes at +62 s" in finding.detail


def test_different_jobs_that_mind_their_lease(path: Path) -> None:
    fence = "(SELECT expires FROM leases) = ?"
    verdict = check(Job(add, path, 10, fence), Job(add, path, 5, fence), settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert "60 s running out at every step of one of them" in verdict.claim


def test_a_different_job_may_do_something_else_when_it_is_late(path: Path) -> None:
    due = NOON.timestamp() + 30

    def remind() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT INTO payments VALUES (?)", (2000 if time.time() > due else 1000,))

    def note() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT INTO leases VALUES ('y', ?)", (time.time() + 60,))
            db.execute("UPDATE leases SET expires = 1 WHERE name = 'y'")

    verdict = check(Job(remind), Job(note), settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert "60 s running out" in verdict.claim
