"""PostgresStore: one PostgreSQL database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobchaos.core.snapshot import Snapshot, Table
from jobchaos.errors import UsageError
from jobchaos.stores.base import BaseStore
from jobchaos.stores.postgres_driver import connect
from jobchaos.stores.postgres_layout import LaidTable, PostgresLayout, quoted, read_layout
from jobchaos.stores.postgres_shadow import PostgresShadow
from jobchaos.stores.safety import require_test_database

_OLDEST = 120_000
_ALWAYS = 4  # snapshots for which all tables are read, and not just those that the job is known to write to


class Mark(NamedTuple):
    """What tells a table's content from another one."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class Held:
    """A state of the database.

    Attributes:
        marks: What each table held.
        sequences: Each sequence's last value, and whether that was handed out.
    """

    marks: Mapping[str, Mark]
    sequences: Mapping[str, tuple[int, bool]]


class PostgresStore(BaseStore):
    """Captures a database in a schema beside the user's, and restores the tables that differ.

    Args:
        dsn: What libpq takes, credentials included.
        allow: Databases that may be restored although they are not plainly test resources.
        name: Short name for reports; empty takes the database's name.
        resource: Its resource path; empty asks the server.
    """

    def __init__(self, dsn: str, *, allow: Sequence[str] = (), name: str = "", resource: str = "") -> None:
        self._connection = connect(dsn)
        info = self._connection.info
        self._host, self._database = info.host or "", info.dbname
        self._resource = resource or f"sql:postgresql://{info.host}:{info.port}/{info.dbname}"
        super().__init__(name or info.dbname)
        self._allow = tuple(allow)
        self._shadow = PostgresShadow(self._execute)
        self._layout = PostgresLayout()
        self._since = "now()"
        self._initial: Held | None = None
        self._versions: dict[tuple[str, Mark], int] = {}
        self._contents: dict[tuple[str, Mark], Table] = {}
        self._snapshots: dict[tuple[tuple[str, Mark], ...], Snapshot] = {}
        self._written: set[str] = set()
        self._looks = 0

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource == self._resource or resource.startswith(f"{self._resource}/")

    def announce(self, resource: str) -> None:
        """See `Store.announce`: tables that are about to be written to."""
        name = resource[len(self._resource) + 1 :].partition("/")[0]
        self._written |= {name} if name in self._layout.tables else set(self._layout.tables)

    def capture(self) -> None:
        """See `Store.capture`."""
        require_test_database(self._database, self._host, self._allow)
        version = self._connection.info.server_version
        if version < _OLDEST:
            raise UsageError(
                f"{self.name} is on PostgreSQL {version // 10_000}, which is too old: 12 or newer is needed"
            )
        self._execute("SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'")
        self._since = f"'{self._execute('SELECT clock_timestamp()::text')[0][0]}'::timestamptz"
        self._layout = read_layout(self._execute)
        self._open_shadow()
        self._initial = self.hold()

    def restore(self) -> None:
        """See `Store.restore`."""
        if self._initial is not None:
            self.put_back(self._initial)

    def hold(self) -> Held:
        """See `Returnable.hold`."""
        held = self._look()
        new = [
            self._layout.tables[name]
            for name, mark in held.marks.items()
            if mark.rows and (name, mark) not in self._versions
        ]
        if new:
            version = len(self._versions) + 1
            self._shadow.keep(new, version)
            self._versions.update({(table.name, held.marks[table.name]): version for table in new})
        return held

    def put_back(self, held: Held) -> None:
        """See `Returnable.put_back`."""
        now = self._look()
        differing = [self._layout.tables[name] for name, mark in held.marks.items() if now.marks[name] != mark]
        if differing:
            tables = self._shadow.closure(differing, self._layout)
            self._shadow.put_back(
                [
                    (table, self._versions.get((table.name, held.marks[table.name])), now.marks[table.name].rows)
                    for table in tables
                ],
                self._layout,
            )
        moved = [name for name, value in held.sequences.items() if now.sequences[name] != value]
        if moved:
            self._execute(
                "SELECT "
                + ", ".join(
                    f"setval('{name}', {held.sequences[name][0]}, {held.sequences[name][1]})".replace("%", "%%")
                    for name in moved
                )
            )

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        marks = tuple(sorted(self._look().marks.items()))
        known = self._snapshots.get(marks)
        if known is None:
            known = self._snapshots[marks] = Snapshot({name: self._content(name, mark) for name, mark in marks})
        return known

    def close(self) -> None:
        """See `Store.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                if self._initial is not None:
                    with connection.cursor() as cursor:
                        cursor.execute(f"DROP SCHEMA IF EXISTS {quoted(self._shadow.name)} CASCADE")
            finally:
                connection.close()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _open_shadow(self) -> None:
        try:
            self._shadow.open()
        except Exception as error:
            if getattr(error, "sqlstate", getattr(error, "pgcode", "")) != "42501":
                raise
            raise UsageError(
                f"{self.name}: the job's user may not create a schema, in which a check keeps a copy of the tables "
                f"({str(error).strip()}). Grant it: GRANT CREATE ON DATABASE {quoted(self._database)} TO CURRENT_USER."
            ) from error

    def _look(self) -> Held:
        """What tells the present state from others. One query."""
        self._looks += 1
        known = self._initial
        everything = known is None or self._looks <= _ALWAYS or self._looks & (self._looks - 1) == 0
        names = [name for name in self._layout.tables if everything or name in self._written]
        parts = [self._marking(self._layout.tables[name]) for name in names]
        parts += [
            f"SELECT '{_literal(name)}', last_value, is_called::text FROM {name}" for name in self._layout.sequences
        ]
        rows = self._execute(" UNION ALL ".join(parts)) if parts else []
        marks = dict(known.marks) if known is not None else {}
        found = {name: Mark(count, mark) for name, count, mark in rows[: len(names)]}
        if known is not None:
            self._written |= {name for name, mark in found.items() if mark != known.marks[name]}
        values = {name: (value, called == "true") for name, value, called in rows[len(names) :]}
        return Held(marks | found, values)

    def _marking(self, table: LaidTable) -> str:
        cells = ", ".join(column.compared(self._since) for column in table.columns)
        return (
            f"SELECT '{_literal(table.name)}', count(*), "
            f"coalesce(sum(hashtextextended(ROW({cells})::text, 0)), 0)::text FROM {table.path}"
        )

    def _content(self, name: str, mark: Mark) -> Table:
        known = self._contents.get((name, mark))
        if known is None:
            table = self._layout.tables[name]
            cells = ", ".join(column.compared(self._since) for column in table.columns) or "NULL"
            rows = self._execute(f"SELECT {cells} FROM {table.path}") if mark.rows else []
            empty = table.empty
            content = tuple(tuple(map(_cell, row)) for row in rows) if table.columns else ()
            known = Table(empty.columns, content, empty.key, empty.generated, empty.references)
            self._contents[name, mark] = known
        return known

    def _execute(self, sql: str) -> Sequence[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            if cursor.description is None:
                return []
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
            return rows


def _literal(text: str) -> str:
    return text.replace("'", "''")


def _cell(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
