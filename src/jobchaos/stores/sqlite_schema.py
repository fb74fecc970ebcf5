"""Schema: the tables of one SQLite database, and which of their columns identify, are made up, or refer."""

from __future__ import annotations

import functools
import re
import sqlite3
from typing import Any

from jobchaos.core.snapshot import Table

_VIRTUAL = re.compile(r"create\s+virtual\s+table\b.*?\busing\s+(\w+)", re.IGNORECASE | re.DOTALL)
_INDEXES = {"fts5": "fts5vocab(main, {}, instance)", "fts4": "fts4aux(main, {})", "fts3": "fts4aux(main, {})"}
"""Modules that search, and what reads their index: the words in it, whatever pages they are on."""


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
            virtual = {name: made[1].lower() for name, sql in statements if (made := _VIRTUAL.match(sql or ""))}
            known = _known(tuple(statements))
            if not known:
                known.update({name: self._table(name) for name, _ in statements if name not in virtual})
            self._tables = known.copy()
            for name, module in virtual.items():
                self._show(name, module)
            self._statements = statements
        return self._tables

    def _show(self, name: str, module: str) -> None:
        """Tell a virtual table by what can be read from it, and not by the tables behind it, which grow with use."""
        behind = [row[1] for row in self._rows("PRAGMA table_list") if row[2] == "shadow"]
        behind = [table for table in behind if table in self._tables and table.startswith(f"{name}_")]
        if not behind or not self._can_read(name):
            return
        for table in behind:
            del self._tables[table]
        columns = self._table(name).columns
        self._tables[name] = Table(("rowid", *columns), (), ("rowid",), frozenset(["rowid"]))
        if module in _INDEXES:
            index = f"{name} (index)"
            self._connection.execute(f"DROP TABLE IF EXISTS temp.{quoted(index)}")
            what = _INDEXES[module].format(quoted(name))
            self._connection.execute(f"CREATE VIRTUAL TABLE temp.{quoted(index)} USING {what}")
            columns = self._table(index).columns
            references = {"doc": (name, "rowid")} if "doc" in columns else {}
            self._tables[index] = Table(columns, (), references=references)

    def _can_read(self, name: str) -> bool:
        try:
            self._rows(f"SELECT rowid, * FROM {quoted(name)} LIMIT 1")  # noqa: S608 - the name is quoted
        except sqlite3.OperationalError:  # its module or content is not here, or it has no rowid
            return False
        return True

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


@functools.lru_cache(maxsize=16)
def _known(_statements: tuple[tuple[str, str], ...]) -> dict[str, Table]:
    """The tables that some CREATE statements make. Most tests have a database of their own, with the same schema."""
    return {}


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
