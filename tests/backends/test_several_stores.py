"""A database, Redis and mail in one job: one restore, and one diff that names all three."""

from __future__ import annotations

import contextlib
import smtplib
import sqlite3
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.backends.conftest import Create
from tests.backends.mysql import Database, mysql_databases
from tests.probes.servers import Mailbox, mail_server

__all__ = ["mysql_databases"]
Named = tuple[str, Callable[[], Any]]
"""A database's name, and what connects to it."""


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Named:
    return "app.db", lambda: sqlite3.connect(tmp_path / "app.db")


@pytest.fixture
def on_postgres(new_postgres: Create) -> Named:
    dsn = new_postgres("several")
    return str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]), lambda: psycopg.connect(dsn)


@pytest.fixture
def on_mariadb(mysql_databases: tuple[Database, Database]) -> Named:
    database, _ = mysql_databases
    database.reset()
    return database.name, database.connect


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Named:
    name, connect = request.getfixturevalue(request.param)
    run(connect, "CREATE TABLE sent (user_id INTEGER)")
    return name, connect


def run(connect: Callable[[], Any], sql: str) -> list[Any]:
    with contextlib.closing(connect()) as db:
        cursor = db.cursor()
        cursor.execute(sql)
        found = list(cursor.fetchall()) if cursor.description else []
        db.commit()
    return found


@pytest.mark.parametrize(
    ("database", "isolation"),
    [
        ("on_sqlite", "thread"),
        pytest.param("on_sqlite", "process", marks=pytest.mark.thorough),
        ("on_postgres", "thread"),
        pytest.param("on_postgres", "process", marks=pytest.mark.thorough),
        ("on_mariadb", "thread"),
        pytest.param("on_mariadb", "process", marks=pytest.mark.thorough),
    ],
    indirect=["database"],
)
def test_state_in_three_places_is_restored_and_told_together(
    database: Named, mailbox: Mailbox, jobchaos_redis: str, isolation: str
) -> None:
    name, connect = database
    with redis.Redis.from_url(jobchaos_redis) as client:
        client.flushdb()
        client.set("mails", 3)

    def job() -> None:
        run(connect, "INSERT INTO sent VALUES (1)")
        with redis.Redis.from_url(jobchaos_redis) as client:
            client.incr("mails")
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "shop@example.com", "ann@example.com", "Welcome"
        with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as server:
            server.send_message(mail)

    verdict = check(job, faults=["duplicate", "crash"], settings=Settings(profile="quick", isolation=isolation))
    twice = next(finding for finding in verdict.findings if str(finding.schedule) == "A A")
    assert twice.diff is not None
    told = {(change.store, change.table, change.count or change.row.get("value")) for change in twice.diff.changes}
    assert told == {(name, "sent", 2), ("redis/0", "strings", 1), ("mail", "mail", 2)}
    (counter,) = (change for change in twice.diff.changes if change.store == "redis/0")
    assert (counter.row["value"], counter.before) == ("5", {"value": "4"})
    with redis.Redis.from_url(jobchaos_redis) as client:
        assert client.get("mails") == b"4", "the state of one clean run is left"
    assert run(connect, "SELECT count(*) FROM sent") == [(1,)]
