"""ProbedCursor: a cursor whose statements are steps."""

from __future__ import annotations

import functools
import itertools
import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from jobchaos.core.pending import Pending
from jobchaos.core.ports import Worker
from jobchaos.probes.sqlite_clock import moments_of
from jobchaos.probes.stated_times import note_times
from jobchaos.probes.statement import first_word, label, split_script

if TYPE_CHECKING:
    from typing_extensions import Self

    from jobchaos.probes.sqlite_connection import ProbedConnection

_NO_VALUES = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA"})


class ProbedCursor(sqlite3.Cursor):
    """A cursor of a `ProbedConnection`."""

    _answer: Pending | None = None
    _open = False
    """Whether there may be rows that were not fetched; then SQLite keeps the statement's locks."""
    _unnoted: tuple[str, Any] | None = None
    """A statement that changes rows and returns them: only these tell whether it has changed any."""
    _single = False
    """Whether there is one row at most: sqlite3 looks ahead, so that then the first fetch ends it."""

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        """One step."""
        connection, worker = self._controlled()
        if worker is None:
            return super().execute(sql, parameters)
        if connection.puts_off(sql):
            return self
        connection.run(worker, sql, (parameters,), functools.partial(super().execute, sql, parameters))
        statement = connection.statement
        returns = self.description is not None and statement is not None and bool(statement.writes)
        self._unnoted = (sql, parameters) if returns else None
        if not returns:
            self._note_times(connection, worker, sql, (parameters,), self.rowcount)
        self._answer = connection.answer if self.description else None
        self._open = self.description is not None and statement is not None and bool(statement.touches)
        self._single = statement is not None and statement.rows is not None and statement.rows.at_most_one
        if self._open:
            connection.kept.opened(worker, self)
        else:
            connection.kept.exhausted(self)
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Self:
        """One step inside a transaction, else one for each set of parameters, as each is durable by itself."""
        connection, worker = self._controlled()
        if worker is None:
            return super().executemany(sql, parameters)
        rows = list(parameters)
        groups = [[row] for row in rows] if connection.commits_itself(first_word(sql)) else [rows]
        for group in groups:
            first = group[0] if group else ()
            shown = label(sql, first) + (f" and {len(group) - 1} more" if len(group) > 1 else "")
            connection.run(worker, sql, group, functools.partial(super().executemany, sql, group), shown)
            self._note_times(connection, worker, sql, group, self.rowcount)
        return self

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        """A step for each statement of the script, after the COMMIT that sqlite3 begins with."""
        connection, worker = self._controlled()
        if worker is None:
            return super().executescript(sql_script)
        with connection.scripting(worker):
            for sql in itertools.filterfalse(connection.puts_off, split_script(sql_script)):
                connection.run(worker, sql, ((),), functools.partial(super().execute, sql))
        return self

    def fetchone(self) -> Any:
        """See `sqlite3.Cursor.fetchone`; the first row is shown in reports."""
        row = super().fetchone()
        self._returned(row is not None)
        if self._open and (row is None or self._single):
            self._exhausted()
        if self._answer is not None:
            self._answer.add(f"-> {_shown(row)}")
            self._answer = None
        return row

    def fetchall(self) -> list[Any]:
        """See `sqlite3.Cursor.fetchall`; the number of rows is shown in reports."""
        rows = super().fetchall()
        self._returned(len(rows))
        self._exhausted()
        if self._answer is not None:
            self._answer.add(f"-> {_shown(rows[0])}" if len(rows) == 1 else f"-> {len(rows)} rows")
            self._answer = None
        return rows

    def fetchmany(self, *args: Any, **kwargs: Any) -> list[Any]:
        """See `sqlite3.Cursor.fetchmany`."""
        rows = super().fetchmany(*args, **kwargs)
        self._returned(len(rows))
        if not rows:
            self._exhausted()
        return rows

    def __next__(self) -> Any:
        """See `sqlite3.Cursor`."""
        try:
            row = super().__next__()
        except StopIteration:
            self._exhausted()
            raise
        self._returned(1)
        return row

    def close(self) -> None:
        """See `sqlite3.Cursor.close`."""
        super().close()
        self._exhausted()

    def _returned(self, rows: int) -> None:
        unnoted, self._unnoted = self._unnoted, None
        connection, worker = self._controlled() if unnoted else (None, None)
        if unnoted and connection and worker:
            sql, parameters = unnoted
            self._note_times(connection, worker, sql, (parameters,), rows)

    def _note_times(
        self, connection: ProbedConnection, worker: Worker, sql: str, calls: Sequence[Any], changed: int
    ) -> None:
        statement = connection.statement
        told = connection.told
        if changed <= 0 and not told and not any(calls):  # no values, and nothing is given back: most queries
            return
        if statement is not None and connection.database is not None and statement.verb not in _NO_VALUES:
            clock = connection.database.control.clock
            stated = (*calls, moments_of(sql, calls[0] if calls else (), told)) if told else calls
            note_times(worker, clock, sql, stated, statement.touches_of(calls), changed)

    def _exhausted(self) -> None:
        if self._open:
            self._open = False
            cast("ProbedConnection", self.connection).kept.exhausted(self)

    def _controlled(self) -> tuple[ProbedConnection, Worker | None]:
        connection = cast("ProbedConnection", self.connection)  # nobody else makes such cursors
        return connection, connection.worker()


@functools.lru_cache(maxsize=64)
def probed(factory: Any, base: type[Any]) -> Any:
    """A class like `factory` with `base` between it and sqlite3's own class, so that effects are seen at the sink."""
    if not isinstance(factory, type) or issubclass(factory, base):
        return factory
    if factory in (sqlite3.Connection, sqlite3.Cursor):
        return base
    return type(factory.__name__, (factory, base), {"__module__": factory.__module__})


def _shown(row: Any) -> str:
    if row is None:
        return "no row"
    values = tuple(row)
    return repr(values[0]) if len(values) == 1 else repr(values)
