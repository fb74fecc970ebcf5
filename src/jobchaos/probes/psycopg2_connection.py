"""psycopg2's connections and cursors, with steps. The classes are made on demand."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_CURSOR_ARGUMENTS = ("name", "cursor_factory", "scrollable", "withhold")  # of `connection.cursor`, in this order
BEGINNINGS: Mapping[int | None, str] = {
    1: "BEGIN ISOLATION LEVEL READ COMMITTED",
    2: "BEGIN ISOLATION LEVEL REPEATABLE READ",
    3: "BEGIN ISOLATION LEVEL SERIALIZABLE",
    4: "BEGIN ISOLATION LEVEL READ UNCOMMITTED",
}
"""How psycopg2 begins a transaction, by `connection.isolation_level`."""


def raw(method: str) -> Callable[..., Any]:
    """A method of psycopg2's own class of connections."""
    from psycopg2 import extensions

    return getattr(extensions.connection, method)  # type: ignore[no-any-return]


class ProbedConnection:
    """What a connection does otherwise. Without a probe it is an ordinary one."""

    probe: Any = None

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """A cursor whose statements are steps."""
        given = {**dict(zip(_CURSOR_ARGUMENTS, args, strict=False)), **kwargs}
        cursor = super().cursor(**given)  # type: ignore[misc]
        if self.probe is None or isinstance(cursor, ProbedCursor):
            return cursor
        kind: Any = type(cursor)
        cursor.close()
        return super().cursor(**{**given, "cursor_factory": _probed_cursor(kind)})  # type: ignore[misc]

    def commit(self) -> None:
        """A step, if there is anything to commit."""
        self._end("COMMIT", super().commit)  # type: ignore[misc]

    def rollback(self) -> None:
        """No step: it changes nothing that lasts."""
        self._end("ROLLBACK", super().rollback)  # type: ignore[misc]

    def close(self) -> None:
        """Rolls back, as psycopg2 does."""
        super().close()  # type: ignore[misc]
        if self.probe is not None:
            self.probe.closed(self)

    def _end(self, text: str, call: Callable[[], None]) -> None:
        if self.probe is None or not self.probe.is_in_transaction(self):
            call()
        else:
            self.probe.step(self, text, call)


class ProbedCursor:
    """What a cursor of such a connection does otherwise."""

    _rows_of_all: int | None = None

    @property
    def rowcount(self) -> int:
        """After `executemany` the rows of all of its statements, as psycopg2 counts them."""
        count: int = super().rowcount if self._rows_of_all is None else self._rows_of_all  # type: ignore[misc]
        return count

    def execute(self, query: Any, vars: Any = None) -> Any:  # noqa: A002 - psycopg2's word
        """A step."""
        return self._run(self._merged(query, vars), functools.partial(super().execute, query, vars))  # type: ignore[misc]

    def executemany(self, query: Any, vars_list: Iterable[Any]) -> None:
        """A step for each set of values: psycopg2 sends them one by one."""
        counts = []
        for values in list(vars_list):
            self._run(self._merged(query, values), functools.partial(super().executemany, query, [values]))  # type: ignore[misc]
            counts.append(self.rowcount)
        self._rows_of_all = -1 if -1 in counts else sum(counts)

    def callproc(self, procname: str, *args: Any) -> Any:
        """A step that may touch anything."""
        return self._run(f"CALL {procname}", functools.partial(super().callproc, procname, *args))  # type: ignore[misc]

    def copy_expert(self, sql: Any, *args: Any, **kwargs: Any) -> Any:
        """A step."""
        return self._copy(self._merged(sql, None), functools.partial(super().copy_expert, sql, *args, **kwargs))  # type: ignore[misc]

    def copy_from(self, file: Any, table: str, *args: Any, **kwargs: Any) -> Any:
        """A step."""
        call = functools.partial(super().copy_from, file, table, *args, **kwargs)  # type: ignore[misc]
        return self._copy(f"COPY {table} FROM STDIN", call)

    def copy_to(self, file: Any, table: str, *args: Any, **kwargs: Any) -> Any:
        """A step."""
        call = functools.partial(super().copy_to, file, table, *args, **kwargs)  # type: ignore[misc]
        return self._copy(f"COPY {table} TO STDOUT", call)

    def _merged(self, query: Any, values: Any) -> str:
        merged: bytes = self.mogrify(query, values)  # type: ignore[attr-defined]
        return merged.decode(errors="replace")

    def _copy(self, text: str, call: Callable[[], Any]) -> Any:
        probe = self.connection.probe  # type: ignore[attr-defined]
        if probe is None:
            return call()
        with probe.without_callback():
            return self._run(text, call)

    def _run(self, text: str, call: Callable[[], Any]) -> Any:
        self._rows_of_all = None
        probe = self.connection.probe  # type: ignore[attr-defined]
        return call() if probe is None else probe.run(self.connection, text, call, outcome=lambda _: self._answer())  # type: ignore[attr-defined]

    def _answer(self) -> str:
        cursor: Any = self
        count = cursor.rowcount
        if not cursor.description:
            return "" if count < 0 else f"{count} row" if count == 1 else f"{count} rows"
        if count != 1 or cursor.name:  # of a cursor in the server nothing is known before it is asked
            return "-> no row" if count == 0 else f"-> {count} rows" if count > 0 else ""
        row = super().fetchone()  # type: ignore[misc]
        super().scroll(0, mode="absolute")  # type: ignore[misc]
        cells = [_cell(value) for value in (row.values() if isinstance(row, dict) else row)]
        return f"-> {cells[0]}" if len(cells) == 1 else f"-> ({', '.join(cells)})"


def _cell(value: Any) -> str:
    """One value of a row; what the server makes of its own clock is left out."""
    return "..." if isinstance(value, datetime.date | datetime.time) else repr(value)


@functools.lru_cache(maxsize=64)
def probed_connection(factory: Any) -> Any:
    """A class like `factory` (None for psycopg2's own) whose statements are steps."""
    from psycopg2 import extensions

    base = extensions.connection if factory is None else factory
    if not isinstance(base, type) or issubclass(base, ProbedConnection):
        return factory
    return type(base.__name__, (ProbedConnection, base), {"__module__": base.__module__})


@functools.lru_cache(maxsize=64)
def _probed_cursor(kind: Any) -> Any:
    return type(kind.__name__, (ProbedCursor, kind), {"__module__": kind.__module__})
