"""Connection and cursor classes whose statements are steps, and whose waiting for locks is virtual."""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, TypeVar

from jobchaos.core.effect import Effect, Touch
from jobchaos.core.ports import Control, Pending, Worker
from jobchaos.probes.statement import Catalog, Statement, first_word, label, split_script

T = TypeVar("T")
_SECOND = 10**9
_BUSY_TIMEOUT = re.compile(r"\s*pragma\s+busy_timeout\s*(?:=\s*|\(\s*)(\d+)", re.IGNORECASE)
_LOCKING = re.compile(r"\s*begin\s+(immediate|exclusive)", re.IGNORECASE)
_LEGACY = getattr(sqlite3, "LEGACY_TRANSACTION_CONTROL", -1)


@dataclass(frozen=True, slots=True)
class Database:
    """What all connections to one database share.

    Attributes:
        control: The running check.
        base: Resource path.
        catalog: Knows the statements.
    """

    control: Control
    base: str
    catalog: Catalog


class ProbedConnection(sqlite3.Connection):
    """A connection opened by a controlled worker. In any other thread it behaves like a plain one."""

    database: Database | None = None
    last_worker: Worker | None = None
    timeout = 0.0
    owner: int | None = None
    holds_snapshot = False
    answer: Pending | None = None

    def attach(self, database: Database, timeout: float, same_thread: bool) -> None:
        """Make it a controlled connection.

        Args:
            database: What it is connected to.
            timeout: Seconds for which the job wants to wait for locks.
            same_thread: Whether the job wants sqlite3's check that only one thread uses it.
        """
        self.database = database
        self.timeout = timeout
        self.owner = threading.get_ident() if same_thread else None
        self.pending: dict[Touch, None] = {}
        self.cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()
        self.last_worker = database.control.current()

    def sever(self) -> None:
        """Drop everything that holds a lock."""
        try:
            for cursor in list(self.cursors):
                cursor.close()
            if self.in_transaction:
                super().rollback()
        except sqlite3.ProgrammingError:
            pass  # it is closed already
        self._transaction_over()

    def release(self) -> None:
        """The check is over: wait for locks in real time again."""
        self.database = None
        try:
            super().execute(f"PRAGMA busy_timeout = {int(self.timeout * 1000)}")
        except sqlite3.ProgrammingError:
            pass  # it is closed

    def worker(self) -> Worker | None:
        """The controlled worker of the calling thread."""
        if self.owner is not None and self.owner != threading.get_ident():
            raise sqlite3.ProgrammingError(
                "SQLite objects created in a thread can only be used in that same thread. The object was created in "
                f"thread id {self.owner} and this is thread id {threading.get_ident()}."
            )
        worker = None if self.database is None else self.database.control.current()
        if worker is not None:
            self.last_worker = worker
        return worker

    def run(self, worker: Worker, sql: str, parameters: Any, call: Callable[[], T], shown: str = "") -> T:
        """Let one statement through, as a step.

        Args:
            worker: Who runs it.
            sql: Its text.
            parameters: Its bound values.
            call: Runs it.
            shown: The text for reports; empty for the statement with its values.
        """
        assert self.database is not None  # noqa: S101 - there is no worker without one
        statement = self.database.catalog.statement(sql, parameters)
        if statement.verb == "ROLLBACK":
            return self._undo(call)
        shown = shown or label(sql, parameters)
        if statement.verb in ("COMMIT", "END", "RELEASE"):
            return self._commit(worker, shown, call)
        durable = bool(statement.writes) and self.commits_itself(statement.verb)
        self.answer = worker.begin(Effect("sql", shown, statement.touches, durable), _failure)
        try:
            result = self._patiently(worker, call, not self.holds_snapshot)
        except Exception as error:
            self.answer.failed(error)
            raise
        self.answer.done(_rows_changed(result, statement))
        if self.in_transaction:
            self.pending.update(dict.fromkeys(statement.writes))
            self.holds_snapshot = self.holds_snapshot or bool(statement.touches) or bool(_LOCKING.match(sql))
        return result

    def commits_itself(self, verb: str) -> bool:
        """True if a statement with this verb would be its own transaction."""
        if self.in_transaction or self._always_in_transaction:
            return False
        legacy = getattr(self, "autocommit", _LEGACY) == _LEGACY and self.isolation_level is not None
        return not (legacy and verb in ("INSERT", "UPDATE", "DELETE", "REPLACE"))

    # --- sqlite3's own interface -------------------------------------------------------------------------------------

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        """A cursor whose statements are steps."""
        if self.database is None or not isinstance(factory, type):
            return super().cursor(factory)
        cursor = super().cursor(probed(factory, ProbedCursor))
        self.cursors.add(cursor)
        return cursor

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`; C code would bypass our cursor."""
        return self.cursor().execute(sql, parameters)  # type: ignore[no-any-return]

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.executemany`."""
        return self.cursor().executemany(sql, parameters)  # type: ignore[no-any-return]

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.executescript`."""
        return self.cursor().executescript(sql_script)  # type: ignore[no-any-return]

    def commit(self) -> None:
        """A step, and durable, if there is anything to commit."""
        worker = self.worker()
        if worker is None or not (self.in_transaction and (self.pending or not self._always_in_transaction)):
            super().commit()
        else:
            self._commit(worker, "COMMIT", super().commit)

    def rollback(self) -> None:
        """Not a step: it changes nothing that lasts. A dead worker may do it, as death would."""
        self.worker()
        self._undo(super().rollback)

    def close(self) -> None:
        """Rolls back, as sqlite3 does."""
        self.worker()
        super().close()
        self._transaction_over()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        # sqlite3 commits in C here, past our commit().
        if kind is None:
            try:
                self.commit()
            except BaseException:
                self._undo(super().rollback)
                raise
        else:
            self.rollback()
        return False

    # --- inside ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def scripting(self, worker: Worker) -> Iterator[None]:
        """`executescript` commits first, and begins no transactions of its own (except in PEP 249 mode)."""
        if getattr(self, "autocommit", _LEGACY) != _LEGACY:
            yield
            return
        if self.in_transaction:
            self._commit(worker, "COMMIT", super().commit)
        level = self.isolation_level
        self.isolation_level = None
        try:
            yield
        finally:
            self.isolation_level = level

    @property
    def _always_in_transaction(self) -> bool:
        return getattr(self, "autocommit", _LEGACY) is False  # PEP 249 mode of Python 3.12

    def _commit(self, worker: Worker, text: str, call: Callable[[], T]) -> T:
        effect = Effect("sql", text, tuple(self.pending), durable=bool(self.pending))
        result = worker.perform(effect, lambda: self._patiently(worker, call, True), failure=_failure)
        if not self.in_transaction or self._always_in_transaction:
            self._transaction_over()
        return result

    def _undo(self, call: Callable[[], T]) -> T:
        result = call()
        if not self.in_transaction or self._always_in_transaction:  # ROLLBACK TO keeps the transaction open
            self._transaction_over()
        return result

    def _transaction_over(self) -> None:
        self.holds_snapshot = False
        self.pending.clear()

    def _patiently(self, worker: Worker, call: Callable[[], T], may_wait: bool) -> T:
        """Retry while the database is locked.

        SQLite waits for a lock only while it holds none itself: upgrading a read transaction fails at once
        (https://www.sqlite.org/c3ref/busy_handler.html), and so it does here (`may_wait`).
        """
        deadline: int | None = None
        while True:
            try:
                return call()
            except sqlite3.OperationalError as error:
                if not may_wait or not _is_busy(error) or self.database is None:
                    raise
                if deadline is None:
                    deadline = self.database.control.clock.now() + round(self.timeout * _SECOND)
                if not worker.wait(self.database.base, deadline):
                    raise


class ProbedCursor(sqlite3.Cursor):
    """A cursor of a `ProbedConnection`."""

    _answer: Pending | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> ProbedCursor:
        """One step; a change of the busy timeout is kept for virtual time."""
        connection, worker = self._controlled()
        if connection is None or worker is None:
            return super().execute(sql, parameters)
        timeout = _BUSY_TIMEOUT.match(sql)
        if timeout:
            connection.timeout = int(timeout.group(1)) / 1000
            return self
        connection.run(worker, sql, parameters, functools.partial(super().execute, sql, parameters))
        self._answer = connection.answer if self.description else None
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> ProbedCursor:
        """One step inside a transaction, else one for each set of parameters, as each is durable by itself."""
        connection, worker = self._controlled()
        if connection is None or worker is None:
            return super().executemany(sql, parameters)
        rows = list(parameters)
        groups = [[row] for row in rows] if connection.commits_itself(first_word(sql)) else [rows]
        for group in groups:
            first = group[0] if group else ()
            shown = label(sql, first) + (f" and {len(group) - 1} more" if len(group) > 1 else "")
            connection.run(worker, sql, first, functools.partial(super().executemany, sql, group), shown)
        return self

    def executescript(self, sql_script: str, /) -> ProbedCursor:
        """A step for each statement of the script, after the COMMIT that sqlite3 begins with."""
        connection, worker = self._controlled()
        if connection is None or worker is None:
            return super().executescript(sql_script)
        with connection.scripting(worker):
            for sql in split_script(sql_script):
                connection.run(worker, sql, (), functools.partial(super().execute, sql))
        return self

    def fetchone(self) -> Any:
        """See `sqlite3.Cursor.fetchone`; the first row is shown in reports."""
        row = super().fetchone()
        if self._answer is not None:
            self._answer.add(f"-> {_shown(row)}")
            self._answer = None
        return row

    def fetchall(self) -> list[Any]:
        """See `sqlite3.Cursor.fetchall`; the number of rows is shown in reports."""
        rows = super().fetchall()
        if self._answer is not None:
            self._answer.add(f"-> {_shown(rows[0])}" if len(rows) == 1 else f"-> {len(rows)} rows")
            self._answer = None
        return rows

    def _controlled(self) -> tuple[ProbedConnection | None, Worker | None]:
        connection = self.connection
        if not isinstance(connection, ProbedConnection):
            return None, None
        return connection, connection.worker()


@functools.lru_cache(maxsize=64)
def probed(factory: Any, base: type[Any]) -> Any:
    """A class like `factory` with `base` between it and sqlite3's own class, so that effects are seen at the sink."""
    if not isinstance(factory, type) or issubclass(factory, base):
        return factory
    if factory in (sqlite3.Connection, sqlite3.Cursor):
        return base
    return type(factory.__name__, (factory, base), {"__module__": factory.__module__})


def _failure() -> Exception:
    return sqlite3.OperationalError("disk I/O error")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    # Also 3.10, which does not tell the code. A locked *table* (shared cache) fails at once in SQLite, and here.
    return str(error) == "database is locked"


def _rows_changed(result: object, statement: Statement) -> str:
    count = getattr(result, "rowcount", -1)
    if not statement.writes or not isinstance(count, int) or count < 0:
        return ""
    return f"{count} row" if count == 1 else f"{count} rows"


def _shown(row: Any) -> str:
    if row is None:
        return "no row"
    values = tuple(row)
    return repr(values[0]) if len(values) == 1 else repr(values)
