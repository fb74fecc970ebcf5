"""Advice for jobs whose changes are never committed: they leave nothing, and so pass every check."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import psycopg2
import psycopg2.pool
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from jobchaos import Settings, Verdict, check
from tests.backends.conftest import Create, new_postgres, postgres_server
from tests.backends.mysql import Database, mysql_databases

__all__ = ["mysql_databases", "new_postgres", "postgres_server"]
QUICK = Settings(profile="quick", isolation="thread")
SCHEMA = "CREATE TABLE users (id INTEGER PRIMARY KEY, points INTEGER)"
UPSERT = "INSERT INTO users VALUES (1, 5)"
UPDATE = "UPDATE users SET points = 5"


def told(job: Callable[[], object], *faults: str) -> list[str]:
    verdict: Verdict = check(job, faults=faults or ("duplicate",), settings=QUICK)
    return [finding.message for finding in verdict.findings if finding.code == "JC722"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(SCHEMA)
    return path


def test_a_connection_that_is_closed_without_a_commit(path: str) -> None:
    def forgets() -> None:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(UPSERT)

    (message,) = told(forgets)
    assert "leaves changes in app.db that it never commits: nothing of them is kept (test_uncommitted.py:" in message


def test_a_connection_that_nobody_closes(path: str) -> None:
    def forgets() -> None:
        db = sqlite3.connect(path)
        db.execute(UPSERT)

    assert len(told(forgets)) == 1


def test_what_is_committed_rolled_back_or_changes_nothing(path: str) -> None:
    def commits() -> None:
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("INSERT OR REPLACE INTO users VALUES (1, 5)")

    def thinks_better_of_it() -> None:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("DELETE FROM users")
            db.rollback()
            db.execute("DELETE FROM users WHERE id = 7")

    assert told(commits, "duplicate", "crash", "retry") == []
    assert told(thinks_better_of_it) == []


def test_who_has_met_an_error_drops_what_it_has_done(path: str) -> None:
    def gives_up() -> None:
        with contextlib.suppress(sqlite3.IntegrityError), contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("INSERT INTO users VALUES (NULL, 5)")
            db.execute(UPSERT)
            db.execute(UPSERT)

    def only_the_second_time() -> None:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE users SET points = 6")
            try:
                db.execute(UPSERT)
                db.commit()
            except sqlite3.IntegrityError:
                return

    assert told(gives_up) == []
    assert told(only_the_second_time, "duplicate", "crash") == []


# --- what goes back to a pool, which rolls it back by itself ----------------------------------------------------------

USERS = sa.table("users", sa.column("id"), sa.column("points"))
FIVE = USERS.insert().values(id=1, points=5)


def of_an_engine(url: str) -> dict[str, Callable[[], None]]:
    """Jobs on one, by what they do."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)

    def forgets(*, commits: bool = False, undoes: bool = False, fails: bool = False) -> None:
        with contextlib.suppress(LookupError), engine.connect() as connection:
            connection.execute(USERS.delete())
            connection.execute(FIVE)
            if commits:
                connection.commit()
            if undoes:
                connection.rollback()
            if fails:
                raise LookupError

    def forgets_in_a_session() -> None:
        with Session(engine) as session:
            session.execute(USERS.update().values(points=6))

    def forgets_without_a_transaction_of_sqlalchemys() -> None:
        connection = engine.raw_connection()
        connection.cursor().execute("UPDATE users SET points = 6")
        connection.close()

    return {
        "forgets": forgets,
        "forgets in a session": forgets_in_a_session,
        "forgets, raw": forgets_without_a_transaction_of_sqlalchemys,
        "commits": functools.partial(forgets, commits=True),
        "undoes": functools.partial(forgets, undoes=True),
        "fails": functools.partial(forgets, fails=True),
    }


WHAT = ["forgets", "forgets in a session", "forgets, raw", "commits", "undoes", "fails"]


@pytest.mark.parametrize("what", WHAT)
def test_an_engine(path: str, what: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(UPSERT)
    assert len(told(of_an_engine(f"sqlite:///{path}")[what])) == what.startswith("forgets")


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_engines_on_postgres(new_postgres: Create, driver: str) -> None:
    dsn = new_postgres("engines")
    with psycopg.connect(dsn) as connection:
        connection.execute(SCHEMA)
        connection.execute(UPSERT)
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    jobs = of_an_engine(
        f"postgresql+{driver}://{parts.get('user', 'postgres')}@/{parts['dbname']}?host={parts['host']}"
    )
    assert {what: len(told(jobs[what])) for what in WHAT} == {what: what.startswith("forgets") for what in WHAT}


def test_an_async_engine(path: str) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=sa.NullPool)

    async def forgets(*, undoes: bool) -> None:
        async with AsyncSession(engine) as session:
            await session.execute(FIVE)
            if undoes:
                await session.rollback()

    assert len(told(functools.partial(forgets, undoes=False))) == 1
    assert told(functools.partial(forgets, undoes=True)) == []


def test_a_pool_of_psycopg2(new_postgres: Create) -> None:
    dsn = new_postgres("pool")
    with psycopg.connect(dsn) as connection:
        connection.execute(SCHEMA)

    def forgets(*, undoes: bool) -> None:
        pool = psycopg2.pool.SimpleConnectionPool(1, 1, dsn)
        connection = pool.getconn()
        connection.cursor().execute(UPSERT)
        if undoes:
            connection.rollback()
        pool.putconn(connection)
        pool.closeall()

    assert len(told(functools.partial(forgets, undoes=False))) == 1
    assert told(functools.partial(forgets, undoes=True)) == []


# --- on servers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", [psycopg, psycopg2], ids=lambda driver: driver.__name__)
def test_postgres(new_postgres: Create, driver: type[psycopg.Connection[object]]) -> None:
    dsn = new_postgres("uncommitted")
    with psycopg.connect(dsn) as connection:
        connection.execute(SCHEMA)
        connection.execute(UPSERT)

    def forgets() -> None:
        db = driver.connect(dsn)
        db.cursor().execute(UPDATE.replace("5", "6"))
        db.close()

    def looks() -> None:
        db = driver.connect(dsn)
        db.cursor().execute("SELECT * FROM users")
        db.close()

    assert len(told(forgets)) == 1
    assert told(looks) == []


def test_mariadb(mysql_databases: tuple[Database, Database]) -> None:
    shop, _ = mysql_databases
    shop.reset(SCHEMA, UPSERT)

    def forgets() -> None:
        with shop.connect() as connection, connection.cursor() as cursor:
            cursor.execute(UPDATE.replace("5", "6"))

    def commits() -> None:
        with shop.connect() as connection, connection.cursor() as cursor:
            cursor.execute(UPDATE.replace("5", "6"))
            connection.commit()

    assert len(told(forgets)) == 1
    assert told(commits) == []
