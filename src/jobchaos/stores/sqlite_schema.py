"""Schema: the tables of one SQLite database, and which of their columns identify, are made up, or refer."""

from __future__ import annotations

import sqlite3
from typing import Any

from jobchaos.core.snapshot import Table


class Schema:
    """Works out the tables once for each set of CREATE statements.

    Args:
        connection: To the database.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._statements: list[tuple[str, str]] = []
        self._tables: dict[str, Table] = {}

    def tables(self) -> dict[str, Table]:
        """Table names to tables without rows."""
        # Not by PRAGMA schema_version: every restore changes it. Counters of AUTOINCREMENT and statistics (sqlite_*)
        # are SQLite's own.
        statements = self._connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        if statements != self._statements:
            self._tables = {name: self._table(name) for name, sql in statements if not _is_virtual(sql)}
            self._statements = statements
        return self._tables

    def _table(self, name: str) -> Table:
        # hidden: 0 ordinary, 1 of virtual tables, 2 and 3 computed from others
        columns = [row for row in self._rows(f"PRAGMA table_xinfo({quoted(name)})") if row[6] == 0]
        key = [row for row in sorted(columns, key=lambda row: row[5]) if row[5]]
        made_up = len(key) == 1 and not self._has_key_index(name)  # an alias of the rowid
        references = {
            row[3]: (row[2], row[4] or self._key_of(row[2], row[1]))
            for row in self._rows(f"PRAGMA foreign_key_list({quoted(name)})")
        }
        return Table(
            columns=tuple(row[1] for row in columns),
            rows=(),
            key=tuple(row[1] for row in key),
            generated=frozenset(row[1] for row in key) if made_up else frozenset(),
            references=references,
        )

    def _has_key_index(self, name: str) -> bool:
        """All keys have one but those that are the rowid: `INTEGER PRIMARY KEY DESC` and `WITHOUT ROWID` are not."""
        return any(row[3] == "pk" for row in self._rows(f"PRAGMA index_list({quoted(name)})"))

    def _key_of(self, name: str, position: int) -> str:
        key: dict[int, str] = {row[5] - 1: row[1] for row in self._rows(f"PRAGMA table_info({quoted(name)})") if row[5]}
        return key.get(position, "")

    def _rows(self, pragma: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(pragma).fetchall()


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _is_virtual(sql: str | None) -> bool:
    return (sql or "").upper().startswith("CREATE VIRTUAL")
