"""Failures: every call fails once, and once its answer is lost."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobchaos import Settings, Verdict, check
from jobchaos.core.events import Event, ScheduleRun
from tests.database import Sql
from tests.probes.servers import PatientServer

QUICK = Settings(profile="quick")


def failed(job: Callable[[], object], *faults: str) -> Verdict:
    return check(job, faults=[*faults, "retry"], settings=QUICK)


def found(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings}


def test_an_applied_write_whose_answer_is_lost_is_repeated(sql: Sql) -> None:
    assert found(failed(lambda: sql("UPDATE users SET points = points + 1"))) == {"JC503": "A0!lost"}


def test_a_call_that_fails_half_way_is_found(sql: Sql) -> None:
    def job() -> None:
        if sql("SELECT points FROM users") == [(0,)]:
            sql("UPDATE users SET points = 1")
            sql("INSERT INTO users VALUES (2, 0)")

    verdict = failed(job)
    assert found(verdict) == {"JC503": "A1!lost"}
    assert "when the answer to UPDATE users is lost" in verdict.findings[0].message


def test_an_error_that_is_swallowed_is_named(sql: Sql) -> None:
    def job() -> None:
        with contextlib.suppress(sqlite3.Error):
            sql("UPDATE users SET points = 1")

    verdict = failed(job)
    assert found(verdict) == {"JC505": "A0!fail"}
    assert verdict.findings[0].fix.startswith("let the error go on")


def test_a_successor_that_is_misled_by_a_mark_swallows_nothing(tmp_path: Path) -> None:
    def job() -> None:
        with contextlib.suppress(FileExistsError):
            (tmp_path / "done").touch(exist_ok=False)
            (tmp_path / "invoice.txt").write_text("invoice 7")

    assert found(failed(job)) == {"JC503": "A1!fail"}


def test_a_job_that_tries_again_itself_swallows_nothing(sql: Sql) -> None:
    def job() -> None:
        for _ in range(2):
            with contextlib.suppress(sqlite3.Error):
                sql("UPDATE users SET points = points + 1")
                return
        raise TimeoutError

    verdict = failed(job)
    assert found(verdict) == {"JC503": "A0!lost"}
    assert verdict.findings[0].fix.startswith("make the write idempotent")


class Ledger:
    """A far end that answers everything alike."""

    def __init__(self, port: int) -> None:
        self.port = port

    def post(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/charges", "{}")
            connection.getresponse().read()


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with PatientServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Ledger(server.server_port)
        server.shutdown()
        thread.join()


def test_a_retry_within_the_job_sends_twice(ledger: Ledger) -> None:
    def job() -> None:
        for _ in range(3):
            with contextlib.suppress(OSError, http.client.HTTPException):
                ledger.post()
                return

    verdict = failed(job)
    assert found(verdict) == {"JC501": "A0!lost", "JC505": "A0!down"}


def test_a_commit_that_is_called_where_its_statement_is_fails_on_its_own(path: Path) -> None:
    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            for statement in ("BEGIN IMMEDIATE", "UPDATE users SET points = points + 1", "COMMIT"):
                db.execute(statement)

    assert found(failed(job, "crash"))["JC503"] == "A2!lost"


def test_a_loop_whose_failure_is_known_to_end_the_attempt_is_not_tried_round_by_round(sql: Sql) -> None:
    def job() -> None:
        for number in range(6):
            sql(f"UPDATE users SET points = {number}")

    heard: list[Event] = []
    verdict = check(job, faults=["crash", "retry"], settings=QUICK, listener=heard.append)
    (result,) = (family for family in verdict.families if family.name == "retry")
    assert (result.status, result.planned, result.run, result.pruned) == ("holds", 12, 2, 10)
    runs = [str(event.schedule) for event in heard if isinstance(event, ScheduleRun) and event.family == "retry"]
    assert len(runs) == 2
    assert {run.partition("!")[2] for run in runs} == {"fail", "lost"}


def test_without_crashes_every_round_is_tried(sql: Sql) -> None:
    def job() -> None:
        for number in range(3):
            sql(f"UPDATE users SET points = {number}")

    (result,) = failed(job).families
    assert (result.planned, result.run, result.pruned) == (6, 6, 0)


def test_what_is_tried_does_not_depend_on_the_order_of_the_draws(sql: Sql) -> None:
    """Hypothesis may draw the third round of a loop before the second, whose consequence is known then, or not."""

    def job() -> None:
        for number in range(6):
            try:
                sql("UPDATE users SET points = 1")
            except sqlite3.Error:
                if number % 2:
                    raise
                sql("UPDATE users SET points = 1")

    def tried() -> set[str]:
        run: set[str] = set()

        def listen(event: Event) -> None:
            if isinstance(event, ScheduleRun) and event.family == "retry" and str(event.schedule).endswith("!fail"):
                run.add(str(event.schedule))

        check(job, faults=["crash", "retry"], settings=QUICK, listener=listen)
        return run

    assert all(tried() == {"A0!fail", "A1!fail"} for _ in range(2))
