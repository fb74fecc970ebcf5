"""DjangoTransactionStore: a database as the one connection of a test sees it, in a transaction that never ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jobchaos.core.snapshot import Cell, Snapshot, Table
from jobchaos.errors import UsageError
from jobchaos.stores.base import BaseStore

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

_SAVEPOINT = "jobchaos"
_SEQUENCES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND n.nspname NOT LIKE 'pg_%' ORDER BY 1
"""


class DjangoTransactionStore(BaseStore):
    """Goes back to a savepoint. What the test has written is undone with its own transaction, as always.

    Args:
        alias: The database's name in Django's settings.
    """

    in_memory = True
    """No other process can see what is in the transaction."""
    one_at_a_time = (
        "the test runs in a transaction (the fixture db, or TestCase) which only one connection can see, so that two "
        "workers can neither have one each nor overlap on one. Use transactional_db, or "
        "@pytest.mark.django_db(transaction=True)"
    )

    def __init__(self, alias: str) -> None:
        super().__init__(alias)
        self._connection: BaseDatabaseWrapper | None = None
        self._tables: dict[str, Table] = {}
        self._sequences: list[tuple[str, int, bool]] = []  # PostgreSQL's are part of no transaction

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource == f"django:{self.name}"

    def capture(self) -> None:
        """See `Store.capture`."""
        from django.db import connections

        self._connection = connections[self.name]
        if not self._connection.in_atomic_block:
            raise UsageError(
                f"the transaction that the test had on the database {self.name!r} is over before the job is"
            )
        if self._connection.vendor == "postgresql":
            self._sequences = self._read_sequences()
        self._run(f"SAVEPOINT {_SAVEPOINT}")

    def restore(self) -> None:
        """See `Store.restore`."""
        if self._connection is not None:
            self._run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            with self._cursor() as cursor:
                for sequence in self._sequences:
                    cursor.execute("SELECT setval(%s, %s, %s)", sequence)

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        with self._cursor() as cursor:
            return Snapshot({name: self._read(cursor, name) for name in self._names(cursor)})

    def close(self) -> None:
        """See `Store.close`."""
        if self._connection is not None:
            self._run(f"RELEASE SAVEPOINT {_SAVEPOINT}")
            self._connection = None

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        """One that neither the job's hooks nor those of the test see."""
        assert self._connection is not None  # noqa: S101 - captured before anything else
        with contextlib.closing(self._connection.create_cursor()) as cursor:
            yield cursor

    def _run(self, sql: str) -> None:
        with self._cursor() as cursor:
            cursor.execute(sql)

    def _read_sequences(self) -> list[tuple[str, int, bool]]:
        with self._cursor() as cursor:
            cursor.execute(_SEQUENCES)
            found = []
            for (name,) in cursor.fetchall():
                cursor.execute(f"SELECT last_value, is_called FROM {name}")  # noqa: S608 - quoted by the server
                found.append((name, *cursor.fetchone()))
            return found

    def _names(self, cursor: Any) -> list[str]:
        assert self._connection is not None  # noqa: S101
        found = self._connection.introspection.get_table_list(cursor)
        return sorted(table.name for table in found if table.type == "t")

    def _read(self, cursor: Any, name: str) -> Table:
        assert self._connection is not None  # noqa: S101
        table = self._tables.get(name) or self._tables.setdefault(name, self._table(cursor, name))
        quote = self._connection.ops.quote_name
        cursor.execute(f"SELECT {', '.join(map(quote, table.columns))} FROM {quote(name)}")  # noqa: S608 - quoted
        rows = tuple(tuple(map(_cell, row)) for row in cursor.fetchall())
        return Table(table.columns, rows, table.key, table.generated, table.references)

    def _table(self, cursor: Any, name: str) -> Table:
        assert self._connection is not None  # noqa: S101
        look = self._connection.introspection
        columns = look.get_table_description(cursor, name)
        generated = frozenset(column.name for column in columns if self._is_made_up(column))
        references = {
            column: (other, other_column) for column, (other_column, other) in look.get_relations(cursor, name).items()
        }
        names = tuple(column.name for column in columns)
        return Table(names, (), tuple(look.get_primary_key_columns(cursor, name) or ()), generated, references)

    def _is_made_up(self, column: Any) -> bool:
        assert self._connection is not None  # noqa: S101
        try:
            kind = self._connection.introspection.get_field_type(column.type_code, column)
        except KeyError:  # a type that Django does not know
            return False
        return str(kind).endswith("AutoField")


def _cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return int(value)
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)
