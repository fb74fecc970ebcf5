"""The drivers of SQL servers: a test that asks for `driver` works through each that it is parametrized with.

A test module imports all fixtures, and overrides `schema` if its jobs work on other tables than those of the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import psycopg2
import pytest

from tests.backends import jobs
from tests.backends.conftest import Create
from tests.backends.mysql import Database, mysql_databases
from tests.backends.site import Site, here

__all__ = ["DIALECTS", "databases", "driver", "mysql_databases", "schema"]
DIALECTS = {"psycopg": "postgres", "psycopg2": "postgres", "pymysql": "mysql", "mysqlclient": "mysql"}
"""Driver to what its server speaks."""


@pytest.fixture(scope="module")
def databases(new_postgres: Create) -> tuple[str, str]:
    """DSNs of two databases on PostgreSQL."""
    return new_postgres("shop"), new_postgres("bank")


@pytest.fixture
def schema() -> Sequence[str]:
    """Statements that make the tables."""
    return jobs.SCHEMA


@pytest.fixture
def driver(request: pytest.FixtureRequest, schema: Sequence[str]) -> Iterator[str]:
    """The driver through which the jobs work."""
    if DIALECTS[request.param] == "postgres":
        here.site = _on_postgres(request.param, schema, request.getfixturevalue("databases"))
    else:
        here.site = _on_mysql(request.param, schema, request.getfixturevalue("mysql_databases"))
    yield request.param
    here.site = None


def _on_postgres(driver: str, schema: Sequence[str], databases: tuple[str, str]) -> Site:
    for dsn in databases:
        with psycopg.connect(dsn) as connection:
            for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *schema):
                connection.execute(statement)

    def opening(dsn: str) -> Callable[[], Any]:
        if driver == "psycopg":
            return lambda: psycopg.connect(dsn)
        return lambda: psycopg2.connect(dsn)

    shop, bank = map(opening, databases)
    return Site("postgres", shop, {"bank": Site("postgres", bank)})


def _on_mysql(driver: str, schema: Sequence[str], databases: tuple[Database, Database]) -> Site:
    for database in databases:
        database.reset(*schema)

    def opening(database: Database) -> Callable[[], Any]:
        if driver == "pymysql":  # which waits for ever without limits
            return lambda: database.connect(read_timeout=10, write_timeout=10)
        return lambda: database.by_mysqlclient(connect_timeout=10, read_timeout=10)

    shop, bank = map(opening, databases)
    shop().close()  # or the test is skipped
    return Site("mysql", shop, {"bank": Site("mysql", bank)})
