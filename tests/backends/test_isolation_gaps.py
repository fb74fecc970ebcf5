"""What a level lets happen is found by trying, and said in the verdict; SQLite says what it cannot show."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.probes.isolation_gaps import reachable, told
from jobchaos.probes.mysql_monitor import mysql_scratch
from jobchaos.probes.postgres_monitor import postgres_scratch
from tests.backends.conftest import Create
from tests.backends.mysql import Database, mysql_databases

__all__ = ["mysql_databases"]

EXPECTED = {
    "READ COMMITTED": ("lost update", "write skew", "phantom", "non-repeatable read"),
    "REPEATABLE READ": ("write skew",),
    "SERIALIZABLE": (),
}
EXPECTED_OF_INNODB = {
    "READ UNCOMMITTED": EXPECTED["READ COMMITTED"],
    "READ COMMITTED": EXPECTED["READ COMMITTED"],
    "REPEATABLE READ": ("lost update", "write skew"),
    "SERIALIZABLE": (),
}


@pytest.fixture(scope="module")
def dsn(new_postgres: Create) -> str:
    return new_postgres("gaps")


@pytest.mark.parametrize("level", EXPECTED)
def test_what_postgresql_lets_happen(dsn: str, level: str) -> None:
    """As https://www.postgresql.org/docs/current/transaction-iso.html has it."""
    assert reachable(postgres_scratch(lambda: psycopg.connect(dsn)), level) == EXPECTED[level]
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'jobchaos%'").fetchall() == []


@pytest.mark.parametrize("level", EXPECTED_OF_INNODB)
def test_what_innodb_lets_happen(mysql_databases: tuple[Database, Database], level: str) -> None:
    """As https://mariadb.com/kb/en/set-transaction/ has it; a consistent read does not keep others from writing."""
    database, _ = mysql_databases
    assert reachable(mysql_scratch(database.connect), level) == EXPECTED_OF_INNODB[level]
    assert database.run(f"SHOW DATABASES LIKE 'jobchaos\\_shadow\\_{os.getpid()}\\_%'") == ()


def test_it_is_told() -> None:
    assert (
        told("app_test", "REPEATABLE READ", ("write skew",))
        == "app_test at REPEATABLE READ: write skew can happen there"
    )
    assert "none of the classic anomalies (lost update," in told("app_test", "SERIALIZABLE", ())


def test_a_verdict_on_overlaps_says_it(dsn: str) -> None:
    def job() -> None:
        with psycopg.connect(dsn) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("INSERT INTO once VALUES (1) ON CONFLICT DO NOTHING")

    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS once (id int PRIMARY KEY)")
    verdict = check(job, faults=["concurrent"], settings=Settings(profile="quick"))
    assert any(note.endswith("at REPEATABLE READ: write skew can happen there") for note in verdict.notes), (
        verdict.notes
    )
    assert check(job, faults=["duplicate"], settings=Settings(profile="quick")).notes == ()


def test_sqlite_says_what_it_cannot_show(tmp_path: Path) -> None:
    def job() -> None:
        with closing(sqlite3.connect(tmp_path / "app.db")) as db, db:
            db.execute("INSERT OR IGNORE INTO once VALUES (1)")

    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.execute("CREATE TABLE once (id INTEGER PRIMARY KEY)")
    (note,) = check(job, faults=["concurrent"], settings=Settings(profile="quick")).notes
    assert note.startswith("app.db is SQLite, whose transactions are serializable: it cannot show")
