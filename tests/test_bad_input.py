"""Bad input: each kind gets an error of its own that names what was seen and what to do, or an inconclusive verdict."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobchaos import FunctionStore, Job, Settings, UsageError, check
from jobchaos.core.verdict import Verdict
from jobchaos.errors import ForeignHostError, UnsafeRestoreError
from tests.database import Sql

QUICK = Settings(profile="quick", guard=2.0)
database = ""


@pytest.fixture(autouse=True)
def fresh_database(tmp_path: Path) -> Iterator[None]:
    global database
    database = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)")
    threads = set(threading.enumerate())
    yield
    left = [thread for thread in set(threading.enumerate()) - threads if thread.name.startswith("jobchaos")]
    assert left == []


def run(*statements: str) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def sets(value: int = 1) -> None:
    run(f"UPDATE t SET n = {value}")


def checked(job: Callable[..., Any], *args: Any, **options: Any) -> Verdict:
    return check(Job(job, *args), settings=QUICK, **options)


def finding(verdict: Verdict, code: str) -> str:
    """The message and detail of the only finding, which must have that code."""
    assert [item.code for item in verdict.findings] == [code], verdict.findings
    assert verdict.status == "inconclusive"
    return f"{verdict.findings[0].message}\n{verdict.findings[0].detail}"


# --- the caller's mistakes -------------------------------------------------------------------------------------------


def test_no_job() -> None:
    with pytest.raises(UsageError, match=r"check\(\) takes one job, or up to 4 different ones that overlap, got 0"):
        check()
    with pytest.raises(UsageError, match="a job must be callable, but got None of type NoneType"):
        check(None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a job must be callable, but got 42"):
        Job(42)  # type: ignore[arg-type]


def test_a_missing_argument() -> None:
    def pays(order: int, amount: int) -> None: ...

    with pytest.raises(UsageError, match=r"pays\(7\) cannot be called: missing a required argument: 'amount'"):
        checked(pays, 7)


def test_a_bad_token() -> None:
    with pytest.raises(UsageError, match=r"at character 4\)\n  A3 !kill A\n     \^"):
        checked(sets, schedule="A3 !kill A")


def test_an_unknown_option_and_family() -> None:
    with pytest.raises(UsageError, match=r"the call has no option 'copis'; known are profile, copies"):
        QUICK.override({"copis": 2}, "the call")
    with pytest.raises(
        UsageError,
        match=r"faults must be a list of some of duplicate, concurrent, crash, timeout, retry, expiry; got \['hang'\]",
    ):
        checked(sets, faults=["hang"])
    with pytest.raises(UsageError, match=r"faults must be a list of some .*; got 'crash'"):
        checked(sets, faults="crash")
    with pytest.raises(UsageError, match=r"settings must be Settings, .*; got {'copies': 3}"):
        check(sets, settings={"copies": 3})  # type: ignore[arg-type]


def test_an_argument_that_cannot_be_copied() -> None:
    with pytest.raises(UsageError, match=r"argument 1 of .*cannot be copied .*Pass plain data"):
        checked(lambda lock: None, threading.Lock())


def test_an_unhashable_argument_is_fine() -> None:
    assert checked(lambda order: sets(order["n"]), {"n": 5}).status == "holds"


def test_a_store_that_refuses() -> None:
    counter = itertools.count()
    with pytest.raises(UsageError, match="counter"):
        checked(sets, stores=[FunctionStore(snapshot=lambda: next(counter), reset=lambda: None, name="counter")])


def test_a_database_that_is_plainly_no_test_database(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path.home() / f".jobchaos-refused-{os.getpid()}"
    folder.mkdir()
    try:
        path = folder / "production.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7)")
        before = path.read_bytes()
        monkeypatch.setattr(sys.modules[__name__], "database", str(path))
        with pytest.raises(UnsafeRestoreError, match=r"production\.db.*allow"):
            checked(sets)
        assert path.read_bytes() == before
        allowed = Settings(profile="quick", allow=(str(path),))
        assert check(sets, settings=allowed).status == "holds"
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def test_a_host_that_is_not_this_machine() -> None:
    import http.client

    def posts() -> None:
        http.client.HTTPConnection("api.example.com", timeout=1).request("POST", "/")

    with pytest.raises(ForeignHostError, match=r"'api\.example\.com'.*allow="):
        checked(posts)


# --- jobs about which nothing can be claimed -------------------------------------------------------------------------


def test_a_job_that_fails_without_any_fault_shows_its_traceback() -> None:
    def fails() -> None:
        run("UPDATE missing SET n = 1")

    text = finding(checked(fails), "JC903")
    assert "fails() fails without any fault: OperationalError: no such table: missing" in text
    assert "A job must succeed once before its faults mean anything" in text
    assert 'run("UPDATE missing SET n = 1")' in text
    assert "sqlite_connection" not in text


def test_what_an_error_says_may_be_a_sentence() -> None:
    def fails() -> None:
        raise LookupError("It is gone.")

    assert "LookupError: It is gone. A job must succeed once" in " ".join(finding(checked(fails), "JC903").split())


def test_a_job_that_differs_from_run_to_run() -> None:
    counter = itertools.count()

    def differs() -> None:
        sets(next(counter))

    text = finding(checked(differs), "JC901")
    assert "does not do the same thing twice" in text
    assert "first difference at effect 1" in text
    assert "UPDATE t SET n = 1" in text
    assert "UPDATE t SET n = 2" in text


def test_a_job_that_fails_in_its_second_run_is_told_so() -> None:
    left = iter("a")

    def takes() -> None:
        sets(1)
        if not list(left):
            raise LookupError("taken")

    text = finding(checked(takes), "JC901")
    assert "takes() completes, and fails when it is run again from the same state: LookupError: taken" in text
    assert 'raise LookupError("taken")' in text
    assert "state kept outside the stores" in text


def test_a_job_whose_state_alone_differs_is_told_where(tmp_path: Path) -> None:
    counter = itertools.count()

    def differs() -> None:
        (tmp_path / "out").write_text(str(next(counter)))

    text = finding(checked(differs), "JC901")
    assert "the effects are the same, but files differs afterwards, in files.content" in text


def test_a_job_without_any_effect() -> None:
    text = finding(checked(lambda: None), "JC902")
    assert "FunctionStore" in text


def test_a_job_that_handles_signals() -> None:
    def handles() -> None:
        signal.signal(signal.SIGALRM, lambda *_: None)
        sets()

    told = finding(checked(handles), "JC903")
    assert "signal only works in main thread" in told
    assert 'isolation="process"' in told
    assert check(handles, settings=Settings(profile="quick", isolation="process"))


def test_a_job_that_starts_a_thread() -> None:
    def starts() -> None:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        sets()

    assert "starts a thread of its own" in finding(checked(starts), "JC906")


def test_a_job_whose_effects_are_all_in_a_thread_that_others_have_started() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        verdict = checked(lambda: pool.submit(sets).result())
    assert "starts a thread of its own" in finding(verdict, "JC906")


def test_a_job_that_starts_a_process() -> None:
    def starts() -> None:
        subprocess.run([sys.executable, "-c", ""], check=True, timeout=30)
        sets()

    assert "starts a process of its own" in finding(checked(starts), "JC906")


def test_an_endless_loop_is_stopped_and_named() -> None:
    def spins() -> None:
        sets()
        while True:
            pass

    verdict = check(spins, settings=Settings(profile="quick", guard=0.3))
    text = finding(verdict, "JC904")
    assert f"at {__file__}:" in text
    assert "in spins()" in text


def test_a_wait_in_c_cannot_be_made_virtual_and_is_told() -> None:
    reader, writer = os.pipe()
    wait = ctypes.CDLL(None).read

    def waits() -> None:
        sets()
        wait(reader, ctypes.create_string_buffer(1), 1)

    try:
        verdict = check(waits, settings=Settings(profile="quick", guard=1.0))
    finally:
        os.write(writer, b"x")  # or its thread would stay for ever
        for thread in threading.enumerate():
            if thread.name.startswith("jobchaos"):
                thread.join()
        os.close(writer)
        os.close(reader)
    text = finding(verdict, "JC904")
    assert "its thread is stuck in C code and stays behind" in text
    assert verdict.status == "inconclusive"
    assert verdict.findings[0].detail.startswith("C code waits in real time, which no virtual clock can shorten")


def test_a_wait_in_c_that_ends_takes_real_time_and_no_virtual_time() -> None:
    pause = ctypes.CDLL(None).usleep

    def waits() -> None:
        before = time.time()
        pause(1000)
        sets()
        assert time.time() == before

    assert checked(waits, faults=["duplicate"]).status == "holds"


def test_a_job_that_swallows_the_kill_is_stopped_and_named() -> None:
    def stubborn() -> None:
        while True:
            try:
                sets()
                return
            except BaseException:  # noqa: BLE001
                continue

    verdict = checked(stubborn, faults=["crash"])
    assert verdict.status == "holds"
    assert [item.code for item in verdict.findings] == ["JC702"]
    assert not verdict.findings[0].gates


def test_a_plan_beyond_the_budget_is_not_a_pass() -> None:
    text = finding(check(sets, faults=["crash"], settings=Settings(profile="quick", budget=3)), "JC907")
    assert "only 1 of 3 crash schedules were tried" in text


# --- nothing stays behind --------------------------------------------------------------------------------------------


def patched_names() -> list[object]:
    import builtins
    import http.client
    import random
    import smtplib
    import time

    names = [sqlite3.connect, builtins.open, os.urandom, random.random, time.sleep, time.time, smtplib.SMTP.data]
    return [*names, http.client.HTTPConnection.endheaders, threading.Thread.start]


@pytest.mark.parametrize("interrupted_at", [1, 4, 8])
def test_ctrl_c_leaves_nothing_behind(interrupted_at: int) -> None:
    before = patched_names()
    events = itertools.count()

    def interrupt(_event: object) -> None:
        if next(events) == interrupted_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checked(sets, listener=interrupt)
    assert patched_names() == before
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT n FROM t").fetchall() == [(0,)]


def test_a_real_ctrl_c_while_a_worker_moves() -> None:
    def interrupts() -> None:
        sets(1)
        os.kill(os.getpid(), signal.SIGINT)
        sets(2)

    before = patched_names()
    with pytest.raises(KeyboardInterrupt):
        checked(interrupts)
    assert patched_names() == before
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT n FROM t").fetchall() == [(0,)]


def test_a_job_that_raises_keyboard_interrupt_or_exits_has_failed() -> None:
    def exits() -> None:
        sys.exit(3)

    before = patched_names()
    assert "SystemExit: 3" in finding(checked(exits), "JC903")
    assert patched_names() == before


def test_libraries_that_a_test_has_taken_away(monkeypatch: pytest.MonkeyPatch, sql: Sql) -> None:
    """As tests do to see what happens without an extra: nothing of it can be imported."""
    libraries = ("psycopg", "psycopg2", "pymysql", "redis", "sqlalchemy", "django", "celery", "httpx")
    loaded = [name for name in sys.modules if name.partition(".")[0] in libraries]
    for name in (*libraries, *loaded):
        monkeypatch.setitem(sys.modules, name, None)
    verdict = check(lambda: sql("UPDATE users SET points = 5"), settings=Settings(profile="quick"))
    assert verdict.status == "holds"
