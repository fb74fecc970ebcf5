"""The family of schedules in which calls hang, as a whole: bounds, locks, bad input, and no real time."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobchaos import Settings, UsageError, check
from jobchaos.core.hang import name_of, seconds
from jobchaos.core.trace import Happening
from jobchaos.core.verdict import Verdict

LOCK = threading.Lock()
SEATS = threading.Semaphore(0)
READY = threading.Event()


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)")
    return path


def sets(database: str, timeout: float = 5.0) -> None:
    with contextlib.closing(sqlite3.connect(database, timeout=timeout)) as db, db:
        db.execute("UPDATE t SET n = 1")


def checked(job: Callable[[], object], within: float | None = None) -> Verdict:
    return check(job, faults=["timeout"], settings=Settings(profile="quick", within=within))


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_a_check_of_a_job_that_sleeps_for_days_takes_no_time(database: str) -> None:
    def sleeps() -> None:
        for _ in range(3):
            time.sleep(24 * 3600)
        sets(database)

    verdict = checked(sleeps, within=3 * 24 * 3600 + 5)
    assert verdict.status == "holds", verdict.findings
    finding, advice = checked(sleeps, within=3 * 24 * 3600 + 4.5).findings
    assert advice.code == "JC717"
    assert "waits 5 s" not in finding.message
    assert "takes 259205 s when app.db stays locked at UPDATE t" in finding.message


def test_the_limit_itself_is_in_time(database: str) -> None:
    assert checked(lambda: sets(database, 5), within=5).status == "holds"
    verdict = checked(lambda: sets(database, 5), within=4.999999999)
    assert codes(verdict) == ["JC402"]
    assert "waits 5 s when app.db stays locked" in verdict.findings[0].message
    assert verdict.findings[0].fix.startswith("a shorter timeout: sqlite3.connect(..., timeout=...)")


def test_a_clean_run_that_takes_too_long_is_told_as_that(database: str) -> None:
    def sleeps() -> None:
        time.sleep(45)
        sets(database)

    verdict = checked(sleeps, within=30)
    assert codes(verdict) == ["JC403"]
    assert str(verdict.findings[0].schedule) == "A"
    assert "takes 45 s when everybody answers at once, and may take 30 s" in verdict.findings[0].message
    assert verdict.findings[0].fix == "do less in one job, or give it more time (within=)"


def test_without_a_limit_only_endless_waits_are_too_long(database: str) -> None:
    assert checked(lambda: sets(database, 3600)).status == "holds"


def test_a_simulated_lock_raises_what_a_real_one_raises(database: str) -> None:
    (finding,) = checked(lambda: sets(database, 0.05), within=0.01).findings
    assert finding.trace is not None
    began = finding.trace.events[0].at
    raised = {(event.at - began, event.detail) for event in finding.trace.events if event.happening is Happening.RAISED}
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as real:
            sets(database, 0.05)
    assert raised == {(50_000_000, f"{type(real.value).__name__}: {real.value}")}


def test_sqlite_waits_only_where_it_may(database: str) -> None:
    """Not for its second statement: it has the lock. Not before the first one: `BEGIN` takes none."""

    def writes_twice() -> None:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
            db.execute("BEGIN")
            db.execute("UPDATE t SET n = 1")
            db.execute("UPDATE t SET n = 2")
            db.execute("COMMIT")

    (family,) = checked(writes_twice).families
    assert family.planned == 2  # the first UPDATE, and the COMMIT, which waits for readers


def test_readers_and_writers_of_a_write_ahead_log_do_not_wait_for_each_other(database: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA journal_mode = WAL")

    def reads_and_writes() -> None:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
            db.execute("SELECT n FROM t").fetchall()
            db.execute("UPDATE t SET n = 1")

    (family,) = checked(reads_and_writes).families
    assert family.planned == 1


def test_a_lock_with_a_limit_is_not_got(database: str) -> None:
    def goes_on_without() -> None:
        taken = LOCK.acquire(timeout=7)
        try:
            sets(database)
        finally:
            if taken:
                LOCK.release()

    assert checked(goes_on_without, within=10).status == "holds"
    (finding,) = checked(goes_on_without, within=6).findings
    assert finding.code == "JC402"
    assert "waits 7 s when LOCK stays locked at test_timeouts.py:" in finding.message


def test_the_lock_of_a_file_without_a_limit_is_advice(database: str) -> None:
    def takes_it() -> None:
        with open(f"{database}.lock", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with LOCK:  # of this process: what is done under it has a timeout
                sets(database)

    verdict = checked(takes_it)
    assert verdict.status == "holds"
    (advice,) = verdict.findings
    assert advice.code == "JC711"
    assert "waits for a lock without a limit (app.db.lock at test_timeouts.py:" in advice.message
    assert advice.fix == "LOCK_NB, and try again until a deadline"


def test_an_event_with_a_limit_does_not_come(database: str) -> None:
    READY.set()

    def waits() -> None:
        if READY.wait(4):
            sets(database)
        else:
            raise TimeoutError

    verdict = checked(waits, within=10)
    assert verdict.status == "holds", verdict.findings


def test_who_only_looks_does_not_wait(database: str) -> None:
    def looks() -> None:
        if SEATS.acquire(timeout=0) and LOCK.acquire(timeout=0):
            LOCK.release()
            SEATS.release()
        sets(database)

    verdict = checked(looks)
    assert verdict.status == "holds"
    assert verdict.families[0].planned == checked(lambda: sets(database)).families[0].planned


def test_all_places_without_a_timeout_are_named(database: str) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def connects_twice() -> None:
            with socket.create_connection(("127.0.0.1", port)):
                pass
            with socket.socket() as plain:
                plain.connect(("127.0.0.1", port))
            sets(database)

        (finding,) = checked(connects_twice).findings
    assert finding.code == "JC401"
    assert finding.fix.startswith("socket.create_connection(..., timeout=...) at test_timeouts.py:")
    assert finding.detail.startswith("also  sock.settimeout(...) at test_timeouts.py:")


@pytest.mark.parametrize("within", [0, -1, float("inf"), float("nan"), "30", True])
def test_what_is_no_time_is_refused(within: object) -> None:
    with pytest.raises(UsageError, match="within must be a number of seconds above 0, got"):
        Settings(within=within)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 s"), (5 * 10**9, "5 s"), (50_000_000, "0.05 s"), (259_200 * 10**9, "259200 s"), (1, "0.000000001 s")],
)
def test_times_are_told_exactly(nanoseconds: int, text: str) -> None:
    assert seconds(nanoseconds) == text


@pytest.mark.parametrize(
    ("far", "name"),
    [
        ("host:127.0.0.1:41881", "127.0.0.1"),
        ("host:127.0.0.1:5432", "127.0.0.1:5432"),
        ("host:10.0.0.7:41881", "10.0.0.7:41881"),
        ("host:::1:50000", "::1"),
        ("sql:/tmp/x/app.db", "app.db"),
        ("lock:STATE", "STATE"),
    ],
)
def test_the_far_side_is_named_without_what_changes_from_run_to_run(far: str, name: str) -> None:
    assert name_of(far) == name
