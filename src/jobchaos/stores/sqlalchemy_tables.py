"""SQLAlchemyTables: all tables that an engine sees, for suites that run as they are. It only looks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from jobchaos.core.snapshot import Cell, Snapshot, Table
from jobchaos.stores.base import BaseStore

_LARGEST = 10_000


class SQLAlchemyTables(BaseStore):
    """Reads through the connection that was used last, if it is open, as a test's transaction may be open on it.

    Args:
        engine: The engine.
        last: Gives that connection; None if it is gone.
    """

    def __init__(self, engine: Any, last: Callable[[], Any]) -> None:
        super().__init__(str(engine.url.database or "memory").rpartition("/")[2])
        self._resource = f"sql:sqlalchemy/{id(engine)}"
        self._engine = engine
        self._last = last
        self._tables: dict[str, Table] = {}

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource == self._resource

    def capture(self) -> None:
        """See `Store.capture`: it is never restored."""

    def restore(self) -> None:
        """See `Store.restore`: left to the test's own fixtures."""

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        with self._connection() as connection:
            self._tables = self._tables or _tables(connection)
            return Snapshot({name: _read(connection, name, table) for name, table in self._tables.items()})

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        last = self._last()
        if last is not None and not last.closed and last.in_transaction():
            yield last
            return
        with self._engine.connect() as connection:
            yield connection


def _tables(connection: Any) -> dict[str, Table]:
    from sqlalchemy import inspect

    look = inspect(connection)
    return {name: _table(look, name) for name in sorted(look.get_table_names())}


def _table(look: Any, name: str) -> Table:
    columns = look.get_columns(name)
    key = tuple(look.get_pk_constraint(name)["constrained_columns"])
    made_up = len(key) == 1 and "INT" in str(next(one["type"] for one in columns if one["name"] == key[0])).upper()
    references = {
        column: (foreign["referred_table"], other)
        for foreign in look.get_foreign_keys(name)
        for column, other in zip(foreign["constrained_columns"], foreign["referred_columns"], strict=False)
    }
    names = tuple(column["name"] for column in columns)
    return Table(names, (), key, frozenset(key) if made_up else frozenset(), references)


def _read(connection: Any, name: str, table: Table) -> Table:
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(map(quote, table.columns))
    rows = connection.exec_driver_sql(f"SELECT {columns} FROM {quote(name)}").fetchmany(_LARGEST)  # noqa: S608 - quoted
    return Table(
        table.columns, tuple(tuple(map(_cell, row)) for row in rows), table.key, table.generated, table.references
    )


def _cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return int(value)
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)
