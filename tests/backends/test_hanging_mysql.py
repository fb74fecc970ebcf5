"""MariaDB or MySQL that does not answer, simulated: PyMySQL waits in Python's sockets, and raises what it raises."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pymysql
import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.trace import Happening
from jobchaos.core.verdict import Verdict
from tests.backends.mysql import ACCESS, Database, mysql_databases
from tests.probes.conftest import silent

__all__ = ["mysql_databases", "silent"]
SHORT = {"connect_timeout": 3, "read_timeout": 5, "write_timeout": 5}


@pytest.fixture
def database(mysql_databases: tuple[Database, Database]) -> Database:
    database, _ = mysql_databases
    database.reset("CREATE TABLE orders (id INT PRIMARY KEY, status TEXT)", "INSERT INTO orders VALUES (7, 'new')")
    return database


def marks_done(database: Database, **options: Any) -> None:
    connection = pymysql.connect(**ACCESS, database=database.name, **options)
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE orders SET status = 'done' WHERE id = 7")
        connection.commit()
    finally:
        if connection.open:
            connection.close()


def checked(job: Callable[[], object], within: float = 40, schedule: str | None = None) -> Verdict:
    settings = Settings(profile="quick", within=within, isolation="thread")
    return check(job, faults=["timeout"], settings=settings, schedule=schedule)


def told(verdict: Verdict) -> list[tuple[str, str]]:
    return [(finding.code, str(finding.schedule)) for finding in verdict.findings if finding.gates]


def raised(verdict: Verdict) -> list[str]:
    trace = verdict.findings[0].trace
    assert trace is not None
    return [event.detail for event in trace.events if event.happening is Happening.RAISED]


def really(call: Callable[[], object]) -> str:
    with pytest.raises(pymysql.err.Error) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


def test_reading_without_a_limit_is_found_with_what_to_set(database: Database) -> None:
    (finding,) = checked(lambda: marks_done(database)).findings
    assert (finding.code, str(finding.schedule)) == ("JC401", "A0!hang2")  # connecting has one of 10 seconds
    assert "does not answer: no timeout at test_hanging_mysql.py:" in finding.message
    assert finding.fix.startswith("pymysql.connect(..., connect_timeout=..., read_timeout=..., write_timeout=...) at ")


@pytest.mark.parametrize("options", [SHORT, {"read_timeout": 5, "connect_timeout": 3}])
def test_with_limits_it_holds(database: Database, options: dict[str, Any]) -> None:
    verdict = checked(lambda: marks_done(database, **options))
    assert verdict.status == "holds", verdict.findings


def test_limits_that_are_too_long_each_and_together(database: Database) -> None:
    verdict = checked(lambda: marks_done(database, **{**SHORT, "read_timeout": 60}), schedule="A0!hang6")
    assert told(verdict) == [("JC402", "A0!hang6")]
    assert "waits 60 s when" in verdict.findings[0].message
    assert told(checked(lambda: marks_done(database, **SHORT), within=12)) == [("JC403", "A0!slow")]


def test_what_is_asked_for_the_check_itself_is_no_wait_of_the_jobs(database: Database) -> None:
    """Who waits for whom is asked as often as it takes: the number of waits must be that of the job alone."""
    (family,) = checked(lambda: marks_done(database, **SHORT)).families
    assert [checked(lambda: marks_done(database, **SHORT)).families[0].planned for _ in range(3)] == [
        family.planned
    ] * 3


def test_the_error_is_the_one_of_a_server_that_really_does_not_answer(database: Database) -> None:
    def job(unit: float = 1) -> None:
        marks_done(database, read_timeout=20 * unit, connect_timeout=3)

    verdict = checked(job, within=1, schedule="A0!hang6")
    with contextlib.closing(database.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("UPDATE orders SET status = 'new' WHERE id = 7")
        real = really(lambda: job(0.001))
    assert raised(verdict) == [real]
    assert real == "OperationalError: (2013, 'Lost connection to MySQL server during query (timed out)')"


def test_so_is_the_one_of_a_server_that_says_nothing(database: Database, silent: int) -> None:
    verdict = checked(lambda: marks_done(database, connect_timeout=20, read_timeout=20), within=1, schedule="A0!hang2")
    real = really(lambda: pymysql.connect(**{**ACCESS, "port": silent}, connect_timeout=1, read_timeout=0.02))
    assert raised(verdict) == [real]
