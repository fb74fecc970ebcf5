"""Two-phase commit: what was prepared outlives its worker. No store holds it, so that is said, and nothing is left."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from jobchaos.servers import postgres
from jobchaos.stores.mysql import MySQLStore
from tests.backends.mysql import ACCESS, Database, mysql_databases

__all__ = ["mysql_databases"]
QUICK = Settings(profile="quick", isolation="thread")
UNSTORED = "touches prepared:transactions, which no store captures"
NAME = f"order-7-{os.getpid()}"


def told(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings if finding.gates]


# --- MariaDB ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(mysql_databases: tuple[Database, Database]) -> Iterator[Database]:
    database, _ = mysql_databases
    database.reset("CREATE TABLE users (id INT PRIMARY KEY, points INT)", "INSERT INTO users VALUES (1, 0)")
    yield database
    assert names(database) == []


def names(database: Database) -> list[str]:
    """Of transactions that are prepared there, and are this test's."""
    found = [data if isinstance(data, str) else data.decode() for *_, data in database.run("XA RECOVER")]
    return [name for name in found if name.startswith(NAME)]


def pays(database: Database, *, looks: bool) -> None:
    """Looks whether an earlier delivery has prepared it, or trusts that none has."""
    with database.connect(autocommit=True, read_timeout=10) as connection, connection.cursor() as cursor:
        if looks and NAME in names(database):
            cursor.execute(f"XA COMMIT '{NAME}'")
            return
        cursor.execute(f"XA START '{NAME}'")
        cursor.execute("UPDATE users SET points = 5 WHERE id = 1")
        cursor.execute(f"XA END '{NAME}'")
        cursor.execute(f"XA PREPARE '{NAME}'")
        cursor.execute(f"XA COMMIT '{NAME}'")


@pytest.mark.parametrize("faults", [["crash"], ["duplicate", "concurrent"]], ids=lambda faults: faults[0])
def test_it_is_said_on_mariadb(database: Database, faults: list[str]) -> None:
    verdict = check(lambda: pays(database, looks=True), faults=faults, settings=QUICK)
    assert told(verdict) == ["JC905"], verdict
    assert UNSTORED in verdict.findings[0].message
    assert database.run("SELECT points FROM users") == ((5,),)


def test_what_a_lost_answer_leaves_prepared_is_found_and_gone_before_the_next_schedule(database: Database) -> None:
    verdict = check(lambda: pays(database, looks=False), faults=["retry"], settings=QUICK)
    assert told(verdict) == ["JC504", "JC905"]
    assert f"when the answer to XA PREPARE '{NAME}' is lost" in verdict.findings[0].message
    assert database.run("SELECT points FROM users") == ((5,),)


def test_what_others_have_prepared_is_left_alone(database: Database) -> None:
    database.run("CREATE TABLE others (n INT)")
    first = f"'{NAME}', 'of others', 3"
    with database.connect() as connection:
        prepare(connection, first, "INSERT INTO others VALUES (1)")
    store = MySQLStore({**ACCESS, "database": database.name})
    store.capture()
    store.announce(f"{store._resource}/@unknown")
    with database.connect() as connection:
        prepare(connection, f"'{NAME}-dead'", "UPDATE users SET points = 7 WHERE id = 1")
    with database.connect() as connection:
        prepare(connection, f"'{NAME}-live'", "INSERT INTO others VALUES (2)")
        store.restore()
        assert sorted(names(database)) == [f"{NAME}-live", f"{NAME}of others"]
        connection.cursor().execute(f"XA ROLLBACK '{NAME}-live'")
    assert database.run("SELECT points FROM users") == ((0,),)
    database.run(f"XA ROLLBACK {first}")
    store.close()


def prepare(connection: Any, name: str, statement: str) -> None:
    with connection.cursor() as cursor:
        for each in (f"XA START {name}", statement, f"XA END {name}", f"XA PREPARE {name}"):
            cursor.execute(each)


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_it_is_said_on_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCHAOS_POSTGRES", raising=False)
    settings = importlib.import_module("jobchaos.servers.postgres")._SETTINGS
    monkeypatch.setitem(settings, "max_prepared_transactions", "5")  # by default it refuses to prepare any
    with postgres() as dsn, psycopg.connect(dsn, autocommit=True) as outside:
        outside.execute("CREATE TABLE users (id int PRIMARY KEY, points int)")
        outside.execute("INSERT INTO users VALUES (1, 0), (2, 0)")
        outside.execute("BEGIN")
        outside.execute("UPDATE users SET points = 1 WHERE id = 2")
        outside.execute("PREPARE TRANSACTION 'of others'")

        def job(*, looks: bool) -> None:
            with psycopg.connect(dsn, autocommit=True) as db:
                if looks and db.execute("SELECT 1 FROM pg_prepared_xacts WHERE gid = 'order ''7'").fetchone():
                    db.execute("COMMIT PREPARED 'order ''7'")
                    return
                db.execute("BEGIN")
                db.execute("UPDATE users SET points = 5 WHERE id = 1")
                db.execute("PREPARE TRANSACTION 'order ''7'")
                db.execute("COMMIT PREPARED 'order ''7'")

        sound = check(lambda: job(looks=True), faults=["crash", "retry"], settings=QUICK)
        assert told(sound) == ["JC905"], sound
        assert UNSTORED in sound.findings[0].message
        broken = check(lambda: job(looks=False), faults=["retry"], settings=QUICK)
        assert told(broken) == ["JC504", "JC905"], broken
        assert outside.execute("SELECT gid FROM pg_prepared_xacts").fetchall() == [("of others",)]
        assert outside.execute("SELECT points FROM users ORDER BY id").fetchall() == [(5,), (0,)]
