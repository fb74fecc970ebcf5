"""PostgresShadow: a schema of our own beside the user's, which keeps what his tables held at some moments.

Each table of the user's that ever held rows has a twin, with one column more: the number of the version that a row
belongs to. So to remember a state is an INSERT, and no statement that changes the schema.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from jobchaos.stores.postgres_layout import LaidTable, PostgresLayout, quoted

Execute = Callable[[str], Sequence[tuple[Any, ...]]]
_PREFIX = "jobchaos_"
_KEPT = "jobchaos_kept_"
_VERSION = "jobchaos_version"
_FEW = 1000  # rows up to which DELETE is faster than TRUNCATE, which makes new files
_numbers = iter(range(1, 1_000_000))


class Changes(NamedTuple):
    """Where the rows of a table are that differ from a version that is kept.

    Attributes:
        now: Places in the table (an SQL array of `ctid`) of all rows that may be other ones.
        kept: Places in the twin of the rows that were there in their stead.
    """

    now: str
    kept: str


class Wanted(NamedTuple):
    """A table that is to hold again what it held.

    Attributes:
        table: The table.
        version: The version to put back; None for nothing at all.
        size: How many rows it has now.
        changes: Where it differs from that version; None if nobody knows.
    """

    table: LaidTable
    version: int | None
    size: int
    changes: Changes | None = None


class PostgresShadow:
    """The schema. It must be dropped at the end.

    Args:
        execute: Runs SQL on the database and returns rows, if there are any.
    """

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self.name = f"{_PREFIX}{os.getpid()}_{next(_numbers)}"
        self._twins: dict[tuple[str, object], str] = {}
        self._is_replica = False
        self._is_open = False
        self._is_kept = False
        self._is_circle = False

    def open(self) -> None:
        """Create it, and drop what processes that were killed have left behind."""
        left = [name for (name,) in self._execute(_LEFT) if _is_orphan(name)]
        drops = [f"DROP SCHEMA {quoted(name)} CASCADE" for name in left]
        self._execute("; ".join([*drops, f"CREATE SCHEMA {quoted(self.name)}"]))
        self._is_open = True
        self._is_replica = bool(self._execute(_MAY_BE_REPLICA)[0][0])

    def can_tell_rows(self, table: LaidTable) -> bool:
        """Whether single rows of a table can be put back."""
        return self._is_replica and bool(table.same_row)

    def kept(self, table: LaidTable, version: int) -> str:
        """Where a version is, in SQL that goes on with AND."""
        return f"{self._twin(table)} AS kept WHERE {_VERSION} = {version}"

    def keep(self, tables: Sequence[LaidTable], version: int, large: Collection[str] = ()) -> None:
        """Remember what some tables hold now; single rows of the large ones will be looked for by their keys."""
        statements = []
        for table in tables:
            is_new = (table.name, table.columns) not in self._twins
            twin = self._twin(table)
            if is_new:
                statements.append(
                    f"CREATE UNLOGGED TABLE {twin} AS SELECT 0 AS {_VERSION}{table.kept} FROM {table.rows} LIMIT 0"
                )
            statements.append(f"INSERT INTO {twin} SELECT {version}{table.kept} FROM {table.rows}")
            if is_new and table.name in large and self.can_tell_rows(table):
                statements.append(f"CREATE INDEX ON {twin} ({_VERSION}, {', '.join(map(quoted, table.empty.key))})")
        if statements:
            self._execute("BEGIN; " + "; ".join(statements) + "; COMMIT")

    def put_back(self, wanted: Sequence[Wanted]) -> None:
        """Let tables hold what they held."""
        statements = ["BEGIN", "SET LOCAL lock_timeout = '5s'"]
        if self._is_replica:  # no triggers, no checks of foreign keys: what is put back was in order
            statements.append("SET LOCAL session_replication_role = replica")
        else:
            triggered = [table.path for table, *_ in wanted if table.has_triggers]
            statements += [f"ALTER TABLE {path} DISABLE TRIGGER USER" for path in triggered]
            foreign = self._foreign_keys([table for table, *_ in wanted])
            statements += [f"ALTER TABLE {path} ALTER CONSTRAINT {name} DEFERRABLE" for path, name in foreign]
            statements.append("SET CONSTRAINTS ALL DEFERRED")
        statements += [self._removal(*each) for each in reversed(wanted)]
        statements += [self._return(each, each.version) for each in wanted if each.version is not None]
        if not self._is_replica:
            statements.append("SET CONSTRAINTS ALL IMMEDIATE")
            statements += [f"ALTER TABLE {path} ALTER CONSTRAINT {name} NOT DEFERRABLE" for path, name in foreign]
            statements += [f"ALTER TABLE {path} ENABLE TRIGGER USER" for path in triggered]
        self._execute("; ".join([*statements, "COMMIT"]))

    def _removal(self, table: LaidTable, version: int | None, size: int, changes: Changes | None) -> str:
        """Away with what was not there: only those rows, where that can be told, as to write costs most.

        While foreign keys are in force, a row that others refer to cannot go alone.
        """
        if version is not None and self.can_tell_rows(table):
            new = "" if changes is None else f"now.ctid = ANY('{changes.now}'::tid[]) AND "
            same = f"{table.same_row} AND {table.same_content}"
            kept = self.kept(table, version)
            return f"DELETE FROM {table.rows} AS now WHERE {new}NOT EXISTS (SELECT FROM {kept} AND {same})"
        free = table.referrers <= {table.name}  # TRUNCATE refuses what others refer to
        return f"{'TRUNCATE' if size > _FEW and free else 'DELETE FROM'} {table.rows}"

    def _return(self, wanted: Wanted, version: int) -> str:
        table, changes, missing = wanted.table, wanted.changes, ""
        if self.can_tell_rows(table):
            missing = f" AND NOT EXISTS (SELECT FROM {table.rows} AS now WHERE {table.same_row})"
        if changes is not None:
            missing += f" AND kept.ctid = ANY('{changes.kept}'::tid[])"
        return (
            f"INSERT INTO {table.path} {table.stored} OVERRIDING SYSTEM VALUE "
            f"SELECT {table.returned} FROM {self.kept(table, version)}{missing}"
        )

    def rows(self, table: LaidTable, version: int | None) -> int:
        """How many rows a version has."""
        if version is None:
            return 0
        return int(self._execute(f"SELECT count(*) FROM {self._twin(table)} WHERE {_VERSION} = {version}")[0][0])

    def keep_for_good(self, names: Sequence[str]) -> str:
        """Do not drop it at the end, nor let later checks do so; tell where it keeps the rows of some tables."""
        if not self._is_kept:
            self._is_kept = True
            kept = self.name.replace(_PREFIX, _KEPT, 1)
            self._execute(f"ALTER SCHEMA {quoted(self.name)} RENAME TO {quoted(kept)}")
            self.name = kept
        first = {name: own for (name, _), own in reversed(self._twins.items())}
        return ", ".join(
            f"{name} in {quoted(self.name)}.{first[name]} where {_VERSION} = 1" if name in first else f"{name} had none"
            for name in names
        )

    def closure(self, tables: Sequence[LaidTable], layout: PostgresLayout) -> list[LaidTable]:
        """These tables and what their rows cannot go without, in an order in which they can come back."""
        names = {table.name for table in tables}
        if not self._is_replica:
            following = list(names)
            while following:
                new = layout.tables[following.pop()].referrers - names
                names |= new
                following += new
        ordered: dict[str, None] = {}
        self._is_circle = False
        left = sorted(names)
        while left:  # parents first; in a circle, in any order
            free = [
                name for name in left if not any(name in layout.tables[other].referrers - {other} for other in left)
            ]
            self._is_circle = self._is_circle or not free
            for name in free or left[:1]:
                ordered[name] = None
            left = [name for name in left if name not in ordered]
        return [layout.tables[name] for name in ordered]

    def _foreign_keys(self, tables: Sequence[LaidTable]) -> Sequence[tuple[Any, ...]]:
        """Those that have to wait until all tables are filled, if these refer to each other in a circle."""
        if not self._is_circle:
            return []
        numbers = ", ".join(str(table.identity) for table in tables)
        return self._execute(
            "SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint "
            f"WHERE contype = 'f' AND NOT condeferrable AND conrelid IN ({numbers})"
        )

    def drop(self) -> None:
        """Remove it with all that is in it."""
        if self._is_open and not self._is_kept:
            self._execute(f"DROP SCHEMA IF EXISTS {quoted(self.name)} CASCADE")

    def _twin(self, table: LaidTable) -> str:
        """Of each table, with the columns that it had at some time."""
        own = self._twins.setdefault((table.name, table.columns), quoted(f"{table.identity}_{len(self._twins)}"))
        return f"{quoted(self.name)}.{own}"


_LEFT = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^jobchaos_[0-9]+_[0-9]+$'"
_MAY_BE_REPLICA = (
    "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"  # from PostgreSQL 15 on it can be granted, too
)


def _is_orphan(schema: str) -> bool:
    """True if the process that has made it is gone. On another machine it may live: then the numbers rarely meet."""
    match = re.fullmatch(rf"{_PREFIX}(\d+)_\d+", schema)
    return match is not None and not os.path.exists(f"/proc/{match[1]}") and os.path.exists("/proc/self")
