"""Changes: whether statements that were applied have changed anything."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from jobchaos.core.effect import Mode, Touch
from jobchaos.probes.row_keys import RowKeys
from jobchaos.probes.statement import Statement
from jobchaos.probes.table_facts import TableFacts

T = TypeVar("T")
_COUNTED = ("INSERT", "UPDATE", "DELETE", "REPLACE")
_MAY_REPEAT = re.compile(r"\s*(update|replace)\b|.*\b(on\s+conflict|or\s+replace)\b", re.IGNORECASE | re.DOTALL)
_ROW_NUMBER = re.compile(r"\b(_?rowid_?|oid)\b", re.IGNORECASE)


def is_counted(verb: str, touches: Iterable[Touch], base: str) -> bool:
    """Whether SQLite counts all that a statement changes: not in virtual tables, nor where AUTOINCREMENT counts.

    Rows changed by triggers and by foreign keys are counted (https://www.sqlite.org/c3ref/total_changes.html).

    Args:
        verb: Its first keyword, in capitals.
        touches: What it reads and writes.
        base: Resource path of the database, which stands for what is not known.
    """
    return verb in _COUNTED and not any(
        touch.resource == base or touch.resource.endswith("/sqlite_sequence") for touch in touches
    )


def look_at(sql: str, rows: RowKeys | None, touches: Iterable[Touch], tables: dict[str, TableFacts]) -> str:
    """A query of the one row that a statement may set to what it is already; empty if there is none, or it may do more.

    Args:
        sql: The statement.
        rows: Those that it keeps to, in one table.
        touches: What it reads and writes.
        tables: What the schema says, by name in small letters.
    """
    if rows is None or len(rows.rows) != 1 or not _MAY_REPEAT.match(sql) or _ROW_NUMBER.search(sql):
        return ""
    if not all(touch.resource.lower().endswith(f"/{rows.table}") for touch in touches):
        return ""
    if not any(touch.mode is Mode.WRITE for touch in touches):
        return ""
    # As expressions: a column's declared type would call the job's converters.
    columns = ", ".join(f'+"{column}"' for column in tables[rows.table].columns)
    condition = " AND ".join(f'"{column.name}" = ?' for column in rows.columns)
    return f'SELECT {columns} FROM main."{rows.table}" WHERE {condition}'  # noqa: S608 - names from the schema


class Changes:
    """Watches one connection.

    SQLite's own count is exact for what changes no row at all. An UPDATE that sets what is there already does count, so
    where a statement keeps to a row that it names, that row is compared.

    Args:
        connection: The connection.
        query: Makes a cursor that nobody sees.
    """

    def __init__(self, connection: sqlite3.Connection, query: Callable[[], sqlite3.Cursor]) -> None:
        self._connection = connection
        self._query = query
        self.last = True
        """Whether the last statement may have changed anything."""
        self.uncommitted = False
        """Whether any since the last transaction's end may have."""

    def unknown(self, statement: Statement) -> None:
        """A statement runs of which nobody can tell whether it changes anything.

        Args:
            statement: What it is.
        """
        self.last = True
        self.uncommitted = self.uncommitted or bool(statement.writes)

    def watch(self, statement: Statement, calls: Sequence[Any], call: Callable[[], T], *, may_look: bool) -> T:
        """Run a statement whose changes are counted.

        Args:
            statement: What it is.
            calls: Its bound values, once for each time it runs.
            call: Runs it.
            may_look: Whether a query before it takes no lock that it would not take itself.
        """
        row = self._row(statement, calls[0]) if may_look and statement.look and len(calls) == 1 else None
        before = self._connection.total_changes
        returns = False
        try:
            result = call()
            returns = getattr(result, "description", None) is not None  # then it may not be at its end
        finally:
            counted = returns or self._connection.total_changes != before
            self.last = counted and (row is None or row != self._row(statement, calls[0]))
            self.uncommitted = self.uncommitted or self.last
        return result

    def _row(self, statement: Statement, parameters: Any) -> list[tuple[Any, ...]] | None:
        """The row with the types of its values, as 1 equals 1.0; None if it is not there, or nobody can tell."""
        assert statement.rows is not None  # noqa: S101 - else there is no query
        connection = self._connection
        factory, connection.text_factory = connection.text_factory, bytes
        try:
            cursor = self._query()
            cursor.row_factory = None
            found = cursor.execute(statement.look, statement.rows.values(parameters)).fetchall()
        except sqlite3.Error:
            return None
        finally:
            connection.text_factory = factory
        return [tuple((type(value), value) for value in row) for row in found] or None
