"""The reference job on SQL servers: ten effects, so guarded that every schedule passes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from jobchaos.core.ports import Store

Parts = tuple[str, float, Callable[[], None], Callable[[int, int], None], Callable[[], Store]]
"""What a `Backend` is made of."""

_TABLES = {
    "idem": "(name VARCHAR(20) PRIMARY KEY, done INTEGER NOT NULL DEFAULT 0)",
    "orders": "(id INTEGER PRIMARY KEY, status VARCHAR(10) NOT NULL)",
    "http": "(name VARCHAR(20) PRIMARY KEY, cents INTEGER NOT NULL)",
    "ledger": "(order_id INTEGER PRIMARY KEY, cents INTEGER NOT NULL)",
    "stock": "(item VARCHAR(20) PRIMARY KEY, count INTEGER NOT NULL)",
    "mails": "(order_id INTEGER PRIMARY KEY, text VARCHAR(20))",
    "other": "(id INTEGER PRIMARY KEY, text VARCHAR(10))",
}
_RESOURCE = "sql:reference"


def _contents(touched: int, other: int) -> dict[str, list[tuple[Any, Any]]]:
    return {
        "idem": [(f"name-{number}", 1) for number in range(10)],
        "orders": [(number, "new") for number in range(touched)],
        "http": [(f"name-{number}", 100) for number in range(10)],
        "ledger": [(-1 - number, 100) for number in range(10)],
        "stock": [(f"item-{number}", 5) for number in range(10)],
        "mails": [(-1 - number, "old") for number in range(10)],
        "other": [(number, "row") for number in range(other)],
    }


def _statements(insert: str, unless_there: str) -> tuple[str, ...]:
    return (
        "SELECT done FROM idem WHERE name = 'order-1'",
        "SELECT status FROM orders WHERE id = 1",
        "UPDATE orders SET status = 'paid' WHERE id = 1",
        f"{insert} INTO idem (name) VALUES ('order-1') {unless_there}",
        f"{insert} INTO http VALUES ('order-1', 4200) {unless_there}",
        f"{insert} INTO ledger VALUES (1, 4200) {unless_there}",
        "SELECT count FROM stock WHERE item = 'item-1'",
        "UPDATE stock SET count = 4 WHERE item = 'item-1'",
        f"{insert} INTO mails VALUES (1, 'thank you') {unless_there}",
        "UPDATE orders SET status = 'paid' WHERE id = 1",
    )


def _parts(
    name: str, goal: float, connect: Callable[[], Any], statements: tuple[str, ...], store: Callable[[], Store]
) -> Parts:
    def job() -> None:
        with contextlib.closing(connect()) as db, db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def fill(touched: int, other: int) -> None:
        with contextlib.closing(connect()) as db, db.cursor() as cursor:
            for table, columns in _TABLES.items():
                cursor.execute(f"DROP TABLE IF EXISTS {table}")
                cursor.execute(f"CREATE TABLE {table} {columns}")
            cursor.execute("BEGIN")
            for table, rows in _contents(touched, other).items():
                cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)", rows)
            cursor.execute("COMMIT")

    def captured() -> Store:
        made = store()
        made.capture()
        for table in _TABLES:
            if table != "other":
                made.announce(f"{_RESOURCE}/{table}")
        return made

    return name, goal, job, fill, captured


def on_postgres(stack: contextlib.ExitStack) -> Parts | None:
    """The job on PostgreSQL, if there is one.

    Args:
        stack: Ends the server.
    """
    try:
        import psycopg

        from jobchaos.errors import MissingExtraError
        from jobchaos.servers import postgres
        from jobchaos.stores.postgres import PostgresStore

        dsn = stack.enter_context(postgres())
    except (ImportError, MissingExtraError):
        return None
    return _parts(
        "PostgreSQL",
        8.0,
        lambda: psycopg.connect(dsn, autocommit=True),
        _statements("INSERT", "ON CONFLICT DO NOTHING"),
        lambda: PostgresStore(dsn, resource=_RESOURCE),
    )


def on_mariadb(stack: contextlib.ExitStack) -> Parts | None:
    """The job on MariaDB or MySQL, if there is one where the tests look for it.

    Args:
        stack: Drops the database.
    """
    try:
        import pymysql

        from jobchaos.stores.mysql import MySQLStore
        from tests.backends.mysql import ACCESS

        server = pymysql.connect(**ACCESS, autocommit=True)
    except (ImportError, pymysql.err.OperationalError):
        return None
    name = "jobchaos_test_reference"
    cursor = stack.enter_context(stack.enter_context(server).cursor())
    cursor.execute(f"DROP DATABASE IF EXISTS {name}")
    cursor.execute(f"CREATE DATABASE {name}")
    stack.callback(cursor.execute, f"DROP DATABASE {name}")
    return _parts(
        "MariaDB",
        15.0,
        lambda: pymysql.connect(**ACCESS, database=name, autocommit=True),
        _statements("INSERT IGNORE", ""),
        lambda: MySQLStore({**ACCESS, "database": name}, resource=_RESOURCE),
    )
