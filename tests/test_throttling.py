"""Throttles: calls stay under a rate in every window of virtual time, under bursts, deaths and failures."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from jobchaos import Job, RetryPolicy, Settings, UsageError, Verdict, throttled
from jobchaos.core.throttle import Throttle
from tests.probes.servers import PatientServer

S = 10**9
SETTINGS = Settings(profile="quick", now=datetime(2030, 1, 1, 12, 0, 20, tzinfo=timezone.utc))
RECENT: list[float] = []


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with PatientServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def post(port: int) -> Callable[[], None]:
    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/charges", "{}")
            connection.getresponse().read()

    return send


Limiter = Callable[[Callable[[sqlite3.Connection, float], float]], None]


@pytest.fixture
def limit(tmp_path: Path) -> Limiter:
    """`limit(take)`: waits until `take(database, now)` gives nothing to wait for, each time in one transaction."""
    path = tmp_path / "limits.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE slots (at REAL); CREATE TABLE windows (start INTEGER PRIMARY KEY, n INT);"
            "CREATE TABLE bucket (tokens REAL, at REAL); INSERT INTO bucket VALUES (2, 0);"
        )

    def wait(take: Callable[[sqlite3.Connection, float], float]) -> None:
        while True:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                pause = take(db, time.time())
                db.execute("COMMIT")
            if pause <= 0:
                return
            time.sleep(pause + 0.001)

    return wait


def sliding(db: sqlite3.Connection, now: float) -> float:
    taken = [row[0] for row in db.execute("SELECT at FROM slots WHERE at > ? ORDER BY at", (now - 60,))]
    if len(taken) >= 4:
        return float(taken[-4] + 60 - now)
    db.execute("INSERT INTO slots VALUES (?)", (now,))
    return 0


def fixed(db: sqlite3.Connection, now: float) -> float:
    start = int(now // 60) * 60
    (n,) = db.execute("SELECT coalesce(max(n), 0) FROM windows WHERE start = ?", (start,)).fetchone()
    if n >= 4:
        return start + 60 - now
    db.execute("INSERT OR REPLACE INTO windows VALUES (?, ?)", (start, n + 1))
    return 0


def from_first_call(db: sqlite3.Connection, now: float) -> float:
    """A window begins with the first call after the last one, as with INCR and EXPIRE."""
    start, n = db.execute("SELECT coalesce(max(start), 0), coalesce(max(n), 0) FROM windows").fetchone()
    if now >= start + 60:
        start, n = int(now), 0
        db.execute("DELETE FROM windows")
    if n >= 4:
        return float(start + 60 - now)
    db.execute("INSERT OR REPLACE INTO windows VALUES (?, ?)", (start, n + 1))
    return 0


def bucket(capacity: int, rate: float) -> Callable[[sqlite3.Connection, float], float]:
    def take(db: sqlite3.Connection, now: float) -> float:
        tokens, at = db.execute("SELECT tokens, at FROM bucket").fetchone()
        tokens = min(capacity, tokens + (now - at) * rate)
        if tokens < 1:
            return float((1 - tokens) / rate)
        db.execute("UPDATE bucket SET tokens = ?, at = ?", (tokens - 1, now))
        return 0

    return take


def after(
    limit: Limiter, take: Callable[[sqlite3.Connection, float], float], post: Callable[[], None]
) -> Callable[[], None]:
    """A job that waits for its limiter, and then makes its call."""

    def job() -> None:
        limit(take)
        post()

    return job


def checked(*jobs: Job | Callable[..., Any], **options: Any) -> Verdict:
    return throttled(*jobs, **{"calls": 4, "per": 60, "settings": SETTINGS, **options})


def found(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}


# --- broken ----------------------------------------------------------------------------------------------------------


def test_a_job_without_a_limit_is_found(post: Callable[[], None], port: int) -> None:
    verdict = checked(post)
    assert found(verdict) == {"JC530": "A B C D E"}
    (finding,) = verdict.findings
    assert f"makes 5 calls to 127.0.0.1:{port} within 0 s; allowed are 4 calls in any 60 s" in finding.message
    assert finding.detail == "seconds     0 0 0 0 0"


@pytest.mark.parametrize("take", [fixed, from_first_call])
def test_a_fixed_window_lets_twice_as_much_through_at_its_edge(
    limit: Limiter, post: Callable[[], None], take: Callable[[sqlite3.Connection, float], float]
) -> None:
    verdict = checked(after(limit, take, post))
    assert list(found(verdict)) == ["JC530"], verdict.claim


def test_a_bucket_that_is_full_at_first_lets_too_much_through(limit: Limiter, post: Callable[[], None]) -> None:
    assert list(found(checked(after(limit, bucket(4, 4 / 60), post)))) == ["JC530"]


def in_memory(post: Callable[[], None]) -> Callable[[], None]:
    def job() -> None:
        RECENT[:] = [at for at in RECENT if at > time.time() - 60]
        while len(RECENT) >= 4:
            time.sleep(RECENT[0] + 60.001 - time.time())
            RECENT[:] = [at for at in RECENT if at > time.time() - 60]
        RECENT.append(time.time())
        post()

    return job


def test_a_limiter_in_memory_is_lost_with_its_worker(post: Callable[[], None]) -> None:
    RECENT.clear()
    assert found(checked(in_memory(post))) == {"JC530": "A B C D0!kill D E"}


def test_a_retry_that_does_not_ask_the_limiter_is_found(limit: Limiter, post: Callable[[], None]) -> None:
    def job() -> None:
        limit(sliding)
        for _ in range(3):
            with contextlib.suppress(OSError, http.client.HTTPException):
                return post()
        return post()

    verdict = checked(job)
    assert list(found(verdict)) == ["JC530"]
    assert "!down3" in found(verdict)["JC530"]


def test_work_that_is_dropped_is_missed(limit: Limiter, post: Callable[[], None]) -> None:
    def job() -> None:
        allowed: list[bool] = []

        def take(db: sqlite3.Connection, now: float) -> float:
            allowed.append(sliding(db, now) == 0)
            return 0

        limit(take)
        if allowed[0]:
            post()

    verdict = checked(job)
    assert found(verdict) == {"JC531": "A B C D E"}
    assert "makes 4 calls, where the same copies make 5 if they come apart" in verdict.findings[0].message


def test_a_job_that_is_given_up_leaves_work_undone(limit: Limiter, post: Callable[[], None]) -> None:
    class BusyError(Exception): ...

    def job() -> None:
        def take(db: sqlite3.Connection, now: float) -> float:
            if sliding(db, now) > 0:
                raise BusyError
            return 0

        limit(take)
        post()

    assert list(found(checked(Job(job).with_policy(RetryPolicy(executions=2, delays=1))))) == ["JC531"]
    later = RetryPolicy(executions=9, delays=1, retry_after=lambda e: 60 if isinstance(e, BusyError) else None)
    assert found(checked(Job(job).with_policy(later))) == {}


# --- sound -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("take", [sliding, bucket(2, 2 / 60)])
def test_a_limiter_in_the_database_holds(
    limit: Limiter, post: Callable[[], None], take: Callable[[sqlite3.Connection, float], float]
) -> None:
    verdict = checked(after(limit, take, post))
    assert found(verdict) == {}
    assert verdict.claim.endswith("4 allowed; all work done (6 of 6 bursts of 6 copies)")


def test_a_job_that_makes_many_calls_spreads_them(limit: Limiter, post: Callable[[], None]) -> None:
    def job() -> None:
        for _ in range(5):
            limit(sliding)
            post()

    assert found(checked(job)) == {}


def test_who_sleeps_a_fixed_time_after_each_call_is_found_only_together(post: Callable[[], None]) -> None:
    def job() -> None:
        for _ in range(3):
            post()
            time.sleep(20)

    assert list(found(checked(job))) == ["JC530"]  # alone it makes 3 calls a minute; two of them make 6


def test_different_jobs_share_a_limit(limit: Limiter, post: Callable[[], None]) -> None:
    def job(number: int) -> None:
        limit(sliding)
        post()

    assert found(checked(*(Job(job, number) for number in range(6)))) == {}
    assert list(found(checked(*(Job(lambda number: post(), number) for number in range(6))))) == ["JC530"]


def test_calls_can_be_named_by_their_text(limit: Limiter, post: Callable[[], None]) -> None:
    job = after(limit, sliding, post)
    assert found(checked(job, to="/charges")) == {}
    assert list(found(checked(job, to="/charges", calls=3))) == ["JC530"]
    with pytest.raises(UsageError, match="nothing to throttle"):
        checked(job, to="/refunds")


# --- bad input and replay --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"calls": 0}, "calls must be a whole number from 1, got 0: with none, no work is ever done"),
        ({"calls": 2.5}, "calls must be a whole number"),
        ({"per": 0}, "per must be more than 0 seconds"),
        ({"per": -1}, "per is negative"),
        ({"to": 3}, "to must be a part of the calls' text"),
    ],
)
def test_a_throttle_that_makes_no_sense_is_refused(
    post: Callable[[], None], options: dict[str, Any], text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        checked(post, **options)


def test_a_job_that_calls_nobody_is_refused(limit: Limiter) -> None:
    with pytest.raises(UsageError, match=r"nothing to throttle. Name its calls .*BEGIN IMMEDIATE"):
        checked(lambda: limit(sliding))


def later(
    limit_of: Callable[[Callable[[sqlite3.Connection, float], float]], float],
    take: Callable[[sqlite3.Connection, float], float],
    post: Callable[[], None],
    runs: Callable[[Coroutine[Any, Any, None]], Any] | None = None,
) -> Callable[[], Any]:
    """The same in a coroutine; `runs` has it in a loop that the job starts itself."""

    async def job() -> None:
        while pause := limit_of(take):
            await asyncio.sleep(pause)
        post()

    return job if runs is None else lambda: runs(job())


@pytest.fixture
def pause_of(tmp_path: Path, limit: Limiter) -> Callable[[Callable[[sqlite3.Connection, float], float]], float]:
    """How long to wait, by a limiter in the same database."""

    def pause(take: Callable[[sqlite3.Connection, float], float]) -> float:
        with contextlib.closing(sqlite3.connect(tmp_path / "limits.db", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            seconds = take(db, time.time())
            db.execute("COMMIT")
        return seconds + 0.001 if seconds > 0 else 0

    return pause


@pytest.mark.parametrize("runs", [None, asyncio.run])
def test_coroutines_sleep_at_the_same_time(
    pause_of: Callable[[Callable[[sqlite3.Connection, float], float]], float],
    post: Callable[[], None],
    runs: Callable[[Coroutine[Any, Any, None]], Any] | None,
) -> None:
    """A fixed pause before a call spreads nothing: one after the other, it would."""

    async def sleeps_before() -> None:
        await asyncio.sleep(30)
        post()

    broken = sleeps_before if runs is None else lambda: runs(sleeps_before())
    assert found(checked(broken)) == {"JC530": "A B C D E"}
    assert list(found(checked(later(pause_of, fixed, post, runs)))) == ["JC530"]
    verdict = checked(later(pause_of, sliding, post, runs))
    assert verdict.status == "holds", verdict.findings
    assert verdict.claim.startswith("complete: at most 4 calls in any 60 s")


def test_a_semaphore_of_one_loop_limits_no_other_worker(post: Callable[[], None]) -> None:
    async def one_at_a_time() -> None:
        async with asyncio.Semaphore(1):
            post()
            await asyncio.sleep(15)

    assert found(checked(one_at_a_time)) == {"JC530": "A B C D E"}


def test_a_schedule_can_be_replayed(post: Callable[[], None]) -> None:
    assert found(checked(post, schedule="A B C D E")) == {"JC530": "A B C D E"}
    assert found(checked(post, schedule="A B C D")) == {}


def test_a_job_that_fails_by_itself_is_inconclusive(post: Callable[[], None]) -> None:
    def job() -> None:
        post()
        raise ValueError("no")

    verdict = checked(job)
    assert (verdict.status, [finding.code for finding in verdict.findings]) == ("inconclusive", ["JC903"])


def test_the_fullest_window_is_found_whatever_its_beginning() -> None:
    throttle = Throttle(calls=2, per=10)
    moments = [moment * S for moment in (0, 9, 10, 11, 18, 30)]
    assert throttle.crowd(moments) == [9 * S, 10 * S, 11 * S, 18 * S]
    assert throttle.crowd([0, 10 * S]) == [0]  # one window ends where the next one begins
    assert throttle.crowd([]) == ()
