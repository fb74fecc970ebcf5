"""Advice on jobs that do too much, or keep others waiting: each with its fixed twin, which gets none."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from jobchaos import Settings, check
from jobchaos.core.finding import Finding
from tests.probes.servers import WebServer, web_server

STATE = threading.Lock()
QUICK = Settings(profile="quick")


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    return path


def put(web: WebServer) -> None:
    requests.put(f"http://127.0.0.1:{web.server_port}/orders/7", data="{}", timeout=5)


def advised(job: Callable[[], object], **settings: object) -> list[Finding]:
    options = Settings(profile="quick").override(settings, "the test")
    verdict = check(job, faults=["duplicate"], settings=options)
    assert verdict.status == "holds", verdict
    return list(verdict.findings)


def told(job: Callable[[], object], **settings: object) -> list[str]:
    return [f"{finding.code} {finding.message}" for finding in advised(job, **settings)]


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN"])
def test_a_foreign_call_inside_a_transaction(database: str, web: WebServer, begin: str) -> None:
    def calls_inside() -> None:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
            db.execute(begin)
            db.execute("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING")
            put(web)
            db.execute("COMMIT")

    def calls_afterwards() -> None:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
            db.execute(begin)
            db.execute("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING")
            db.execute("COMMIT")
        put(web)

    (advice,) = advised(calls_inside)
    assert advice.code == "JC712"
    assert "PUT /orders/7 happens inside an open transaction at test_smallness.py:" in advice.message
    assert "app.db stays locked for as long as it takes" in advice.message
    assert "outbox" in advice.fix
    assert advised(calls_afterwards) == []


def test_a_foreign_call_under_a_lock(web: WebServer) -> None:
    def calls_inside() -> None:
        with STATE:
            put(web)

    def calls_outside() -> None:
        with STATE:
            pass
        put(web)

    (line,) = told(calls_inside)
    assert line.startswith("JC713")
    assert "PUT /orders/7 happens while STATE is held at test_smallness.py:" in line
    assert told(calls_outside) == []


def test_a_transaction_that_sleeps(database: str) -> None:
    def sleeps(seconds: float) -> None:
        with contextlib.closing(sqlite3.connect(database)) as db, db:
            db.execute("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING")
            time.sleep(seconds)
            db.execute("INSERT INTO t VALUES (2) ON CONFLICT DO NOTHING")

    (line,) = told(lambda: sleeps(6))
    assert line.startswith("JC714")
    assert "a transaction is open for 6 s" in line
    assert told(lambda: sleeps(5)) == []
    assert told(lambda: sleeps(6), transaction_seconds=7) == []


def inserts(database: str, numbers: range, *, each: bool) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        if not each:
            db.execute("BEGIN")
        for number in numbers:
            db.execute("INSERT INTO t VALUES (?) ON CONFLICT DO NOTHING", (number,))
        if not each:
            db.execute("COMMIT")


def test_a_transaction_with_very_many_statements(database: str) -> None:
    (line, *more) = told(lambda: inserts(database, range(120), each=False))
    assert line.startswith("JC714")
    assert "a transaction has 12" in line
    assert [other.partition(" ")[0] for other in more] == ["JC716"]
    assert told(lambda: inserts(database, range(90), each=False)) == []


def test_a_loop_over_many_objects(database: str) -> None:
    (line,) = told(lambda: inserts(database, range(21), each=True))
    assert line.startswith("JC715")
    assert "it does 21 things in a loop (INSERT INTO t and so on at test_smallness.py:" in line
    assert told(lambda: inserts(database, range(20), each=True)) == []
    assert told(lambda: inserts(database, range(21), each=True), most_rounds=30) == []


def test_a_job_that_takes_very_long(database: str) -> None:
    def waits(seconds: float) -> None:
        time.sleep(seconds)
        inserts(database, range(1), each=True)

    (line,) = told(lambda: waits(301))
    assert line.startswith("JC717")
    assert "it takes 301 s even if all goes well" in line
    assert told(lambda: waits(300)) == []


def looks(database: str, times: int) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        for number in range(times):
            db.execute("SELECT n FROM t WHERE n = ?", (number,)).fetchall()
        db.execute("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING")


def test_a_job_with_very_many_effects(database: str) -> None:
    (line,) = told(lambda: looks(database, 100))
    assert line.startswith("JC716")
    assert "it has 101 effects, and as many places to fail at" in line
    assert told(lambda: looks(database, 99)) == []
    assert told(lambda: looks(database, 100), most_effects=101) == []


def locks_a_file(database: str, *, until: float | None) -> None:
    with open(f"{database}.lock", "a") as file:
        deadline = None if until is None else time.monotonic() + until
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if deadline is None else fcntl.LOCK_NB))
                break
            except BlockingIOError:
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                time.sleep(1)
        inserts(database, range(1), each=True)


def test_a_lock_of_a_file_without_a_limit(database: str) -> None:
    def advice(until: float | None) -> list[str]:
        verdict = check(lambda: locks_a_file(database, until=until), faults=["timeout"], settings=QUICK)
        assert verdict.status == "holds", verdict
        return [finding.code for finding in verdict.findings]

    assert advice(None) == ["JC711"]
    assert advice(5) == []


def calls_inside(database: str, web: WebServer) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db, db:
        db.execute("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING")
        put(web)


def calls_under_a_lock(web: WebServer) -> None:
    with STATE:
        put(web)


def sleeps_inside(database: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db, db:
        db.execute("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING")
        time.sleep(6)


def sleeps_before(database: str) -> None:
    time.sleep(301)
    inserts(database, range(1), each=True)


ADVISABLE: dict[str, Callable[[str, WebServer], None]] = {
    "JC711": lambda database, _: locks_a_file(database, until=None),
    "JC712": calls_inside,
    "JC713": lambda _, web: calls_under_a_lock(web),
    "JC714": lambda database, _: sleeps_inside(database),
    "JC715": lambda database, _: inserts(database, range(21), each=True),
    "JC716": lambda database, _: looks(database, 100),
    "JC717": lambda database, _: sleeps_before(database),
}


@pytest.mark.parametrize("code", ADVISABLE)
def test_each_advice_gates_if_it_is_to(database: str, web: WebServer, code: str) -> None:
    """JC718, which needs a session to compare with, is tested with the plugin."""

    def job() -> None:
        ADVISABLE[code](database, web)

    faults = ["timeout" if code == "JC711" else "duplicate"]
    assert check(job, faults=faults, settings=QUICK).status == "holds"
    verdict = check(job, faults=faults, settings=Settings(profile="quick", strict=True))
    assert verdict.status == "fails"
    assert [finding.code for finding in verdict.findings] == [code]
