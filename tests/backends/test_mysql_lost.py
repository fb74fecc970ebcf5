"""A MariaDB that goes away in the middle of a check: what can be brought back is, and the rest is said."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pymysql
import pytest

from tests.backends.interrupted import interrupted
from tests.backends.mysql import ACCESS, Database, mysql_databases
from tests.backends.proxy import Proxy

__all__ = ["mysql_databases"]


@pytest.fixture
def database(mysql_databases: tuple[Database, Database]) -> Database:
    database, _ = mysql_databases
    database.reset("CREATE TABLE users (id INT PRIMARY KEY, points INT)", "INSERT INTO users VALUES (1, 0)")
    return database


def job_on(database: Database, port: int) -> Callable[[], None]:
    def job() -> None:
        with (
            pymysql.connect(**{**ACCESS, "port": port}, database=database.name, autocommit=True) as db,
            db.cursor() as cursor,
        ):
            cursor.execute("UPDATE users SET points = 10 WHERE id = 1")

    return job


def test_a_session_that_the_server_has_ended_comes_back(database: Database) -> None:
    killed: list[int] = []

    def end_all_sessions() -> None:
        rows = database.run(
            f"SELECT id FROM information_schema.processlist WHERE db = '{database.name}' AND id <> CONNECTION_ID()"
        )
        killed.extend(number for (number,) in rows)
        database.run(*(f"KILL {number}" for number in killed))

    verdict = interrupted(job_on(database, ACCESS["port"]), end_all_sessions)
    assert killed
    assert verdict.status == "holds", verdict
    assert database.run("SELECT points FROM users") == ((10,),), "as one clean run leaves it"
    assert database.run(_SHADOWS) == ()


def test_a_server_that_stays_away_is_said_with_where_the_rows_are(database: Database) -> None:
    proxy = Proxy(lambda: socket.create_connection((ACCESS["host"], ACCESS["port"])))
    verdict = interrupted(job_on(database, proxy.port), proxy.vanish)
    (finding,) = verdict.findings
    assert (verdict.status, finding.code) == ("inconclusive", "JC913")
    assert f"the server of {database.name} on 127.0.0.1 was lost in the middle of the check" in finding.message
    shadow = finding.message.partition("are in the database ")[2].partition(",")[0]
    assert database.run(f"SELECT id, points FROM `{shadow}`.users WHERE jobchaos_version = 1") == ((1, 0),)
    database.run(f"DROP DATABASE `{shadow}`")


def test_what_is_elsewhere_is_brought_back_all_the_same(database: Database, tmp_path: Path) -> None:
    proxy = Proxy(lambda: socket.create_connection((ACCESS["host"], ACCESS["port"])))
    in_the_server = job_on(database, proxy.port)
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE seen (n INT)")

    def job() -> None:
        in_the_server()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT INTO seen VALUES (1)")

    verdict = interrupted(job, proxy.vanish)
    assert [finding.code for finding in verdict.findings] == ["JC913"]
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT n FROM seen").fetchall() == []
    database.run(*(f"DROP DATABASE `{name}`" for (name,) in database.run(_SHADOWS)))


_SHADOWS = f"SHOW DATABASES LIKE 'jobchaos\\_shadow\\_{os.getpid()}\\_%'"
