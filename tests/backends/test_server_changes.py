"""A statement to a server that has surely changed nothing is known for it, so that its order matters less."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import psycopg2
import pytest

from jobchaos.core.ports import Probe
from jobchaos.core.trace import Happening
from jobchaos.probes.mysqlclient import MySQLClientProbe
from jobchaos.probes.psycopg import PsycopgProbe
from jobchaos.probes.psycopg2 import Psycopg2Probe
from jobchaos.probes.pymysql import PyMySQLProbe
from tests.backends.conftest import Create
from tests.backends.mysql import Database, mysql_databases
from tests.probes.conftest import Watch, watch

if TYPE_CHECKING:
    from typing_extensions import LiteralString

__all__ = ["mysql_databases", "watch"]

TABLES = """
CREATE TABLE users (id INT PRIMARY KEY, points INT);
CREATE TABLE marks (name VARCHAR(20) PRIMARY KEY);
INSERT INTO users VALUES (1, 5);
INSERT INTO marks VALUES ('a');
"""
POSTGRES = f"""
{TABLES}
CREATE TABLE numbered (id SERIAL PRIMARY KEY, name TEXT UNIQUE);
INSERT INTO numbered (name) VALUES ('a');
CREATE TABLE watched (id INT PRIMARY KEY);
INSERT INTO watched VALUES (1);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
 AS 'BEGIN INSERT INTO marks VALUES (left(now()::text, 20)); RETURN NEW; END';
CREATE TRIGGER noting BEFORE INSERT ON watched FOR EACH STATEMENT EXECUTE FUNCTION note();
"""
MYSQL = f"{TABLES} CREATE TABLE numbered (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20) UNIQUE)"
BOTH = [
    ("UPDATE users SET points = 6 WHERE id = 1", True),
    ("UPDATE users SET points = 6 WHERE id = 7", False),
    ("UPDATE users SET points = 6 WHERE points > 100", False),
    ("DELETE FROM users WHERE id = 7", False),
    ("INSERT INTO users VALUES (2, 0)", True),
    ("DELETE FROM users", True),
]
ON_POSTGRES = [
    *BOTH,
    ("INSERT INTO users VALUES (1, 0) ON CONFLICT DO NOTHING", False),
    ("INSERT INTO users VALUES (1, 0) ON CONFLICT DO NOTHING RETURNING id", False),
    ("UPDATE users SET points = 5 WHERE id = 1 RETURNING id", True),  # its row is a new version
    ("INSERT INTO numbered (name) VALUES ('a') ON CONFLICT DO NOTHING", True),  # its sequence has gone on
    ("INSERT INTO watched VALUES (1) ON CONFLICT DO NOTHING", True),  # its trigger has written
    ("WITH gone AS (DELETE FROM marks RETURNING name) UPDATE users SET points = 6 WHERE id = 7", True),
    ("UPDATE users SET points = 6 WHERE id = 7 AND pg_try_advisory_lock(7)", True),  # it may keep the lock
]
ON_MYSQL = [
    *BOTH,
    ("INSERT IGNORE INTO users VALUES (1, 0)", False),
    ("UPDATE users SET points = 5 WHERE id = 1", False),  # MariaDB counts what has changed
    ("INSERT INTO users VALUES (1, 5) ON DUPLICATE KEY UPDATE points = 5", False),
    ("INSERT INTO users VALUES (1, 5) ON DUPLICATE KEY UPDATE points = 6", True),
    ("INSERT IGNORE INTO numbered (name) VALUES ('a')", True),
]


def told(watch: Watch, job: Callable[[], object], *probes: Probe) -> list[bool]:
    """Of each step, whether it may have changed anything."""
    run = watch(job, "A", *probes)
    return [event.changed for event in run.trace.events if event.happening is Happening.EFFECT]


@pytest.fixture(scope="module")
def database(new_postgres: Create) -> str:
    return new_postgres("changes")


@pytest.fixture
def dsn(database: str) -> str:
    with psycopg.connect(database) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute(POSTGRES)
    return database


@pytest.mark.parametrize(("sql", "changed"), ON_POSTGRES)
def test_psycopg(watch: Watch, dsn: str, sql: LiteralString, changed: bool) -> None:
    def job() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql)

    assert told(watch, job, PsycopgProbe()) == [changed]


@pytest.mark.parametrize(("sql", "changed"), ON_POSTGRES)
def test_psycopg2(watch: Watch, dsn: str, sql: str, changed: bool) -> None:
    def job() -> None:
        connection = psycopg2.connect(dsn)
        connection.autocommit = True
        connection.cursor().execute(sql)
        connection.close()

    assert told(watch, job, Psycopg2Probe(watch.bindings)) == [changed]


@pytest.mark.parametrize("driver", ["pymysql", "mysqlclient"])
@pytest.mark.parametrize(("sql", "changed"), ON_MYSQL)
def test_mysql(watch: Watch, mysql_databases: tuple[Database, Database], driver: str, sql: str, changed: bool) -> None:
    shop, _ = mysql_databases
    statements = [*filter(None, map(str.strip, MYSQL.split(";"))), "INSERT INTO numbered (name) VALUES ('a')"]
    shop.reset(*statements)
    connect = shop.connect if driver == "pymysql" else shop.by_mysqlclient
    connect().close()  # or the test is skipped

    def job() -> None:
        with connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(sql)

    assert told(watch, job, PyMySQLProbe(), MySQLClientProbe()) == [changed]


def test_a_commit_changes_what_its_statements_have_changed(watch: Watch, dsn: str) -> None:
    def job() -> None:
        with psycopg.connect(dsn) as connection:
            for user in (7, 1):
                connection.execute("UPDATE users SET points = points + 1 WHERE id = %s", (user,))
                connection.execute("SELECT * FROM users")
                connection.commit()

    # Each transaction's BEGIN is a step of its own.
    assert told(watch, job, PsycopgProbe()) == [True, False, True, False, True, True, True, True]
