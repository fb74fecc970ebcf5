"""ProbedConnection: a connection whose statements are steps, and whose waiting for locks is virtual."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.hang import Hang
from jobchaos.core.pending import Pending
from jobchaos.core.ports import Worker
from jobchaos.probes.abandoned import abandoned, is_leaving
from jobchaos.probes.sqlite_blob import ProbedBlob
from jobchaos.probes.sqlite_changes import Changes
from jobchaos.probes.sqlite_commits import CommitsInC
from jobchaos.probes.sqlite_cursor import ProbedCursor, probed
from jobchaos.probes.sqlite_database import Database, disk_failure, fold_log
from jobchaos.probes.sqlite_locks import KeptLocks
from jobchaos.probes.sqlite_pragmas import Hurry, setting_to_put_off
from jobchaos.probes.sqlite_surroundings import Surroundings
from jobchaos.probes.sqlite_threads import ThreadCheck
from jobchaos.probes.statement import Statement, label

T = TypeVar("T")
_LEGACY = getattr(sqlite3, "LEGACY_TRANSACTION_CONTROL", -1)
_finalize: Callable[[sqlite3.Connection], None] | None = getattr(sqlite3.Connection, "__del__", None)


class ProbedConnection(CommitsInC):
    """A connection opened by a controlled worker. In any other thread it behaves like a plain one."""

    database: Database | None = None
    last_worker: Worker | None = None
    timeout = 0.0
    thread_check: ThreadCheck | None = None
    answer: Pending | None = None
    statement: Statement | None = None
    is_inherited = False
    is_closed = False
    is_quiet = False  # while a library prepares it

    def attach(
        self, database: Database, timeout: float, same_thread: bool, *, keeps_journal: bool, keeps_time: bool
    ) -> None:
        """Make it a controlled connection.

        Args:
            database: What it is connected to.
            timeout: Seconds for which the job wants to wait for locks.
            same_thread: Whether the job wants sqlite3's check that only one thread uses it.
            keeps_journal: Whether the worker may really die, so that somebody else has to roll back.
            keeps_time: Whether all see real time.
        """
        self.database = database
        self.timeout = timeout
        self.thread_check = ThreadCheck() if same_thread else None
        self.pending: dict[Touch, None] = {}
        self.told: list[Any] = []  # moments that the current statement has made from the present one
        self.cursors: list[weakref.ref[sqlite3.Cursor]] = []  # a WeakSet takes as long as half a statement
        self.kept = KeptLocks(database.locks)
        self.last_worker = database.control.current()
        self.hurry = Hurry(self._unseen, keeps_journal=keeps_journal)
        self.surroundings = Surroundings(database.base, database.catalog, self._unseen)
        self.changes = Changes(self, super().cursor)
        database.catalog.reconsider()
        if not keeps_time:
            database.clock.show_on(self, self.told)

    def __del__(self) -> None:
        # From 3.13 on, sqlite3's own finalizer warns of a connection that nobody has closed. The dead cannot, and who
        # has met a failing call may not.
        if self.last_worker is not None:
            super().close()
        elif _finalize is not None:
            _finalize(self)

    def sever(self) -> None:
        """Drop everything that holds a lock."""
        if self.is_closed:
            return
        self._abandon(self.last_worker)
        for cursor in filter(None, [reference() for reference in self.cursors]):
            cursor.close()
            self.kept.exhausted(cursor)
        self.cursors.clear()
        if self.in_transaction:
            super().rollback()
        self._transaction_over()

    def release(self) -> None:
        """The check is over: wait for locks in real time again."""
        self.database = None
        if not self.is_closed:
            self._unseen(f"PRAGMA busy_timeout = {int(self.timeout * 1000)}")
            self.hurry.end()

    def puts_off(self, sql: str) -> bool:
        """True if a statement is a setting that the job gets when the check is over, or in virtual time."""
        setting = setting_to_put_off(sql)
        if setting is not None and setting[0] == "busy_timeout":
            self.timeout = int(setting[1]) / 1000
        elif setting is not None:
            self.hurry.put_off(*setting)
        return setting is not None

    def worker(self) -> Worker | None:
        """The controlled worker of the calling thread."""
        if self.thread_check is not None:
            self.thread_check.require()
        database = self.database
        worker = None if database is None else database.worker(self.last_worker, lambda: self.in_transaction)
        if worker is not None:
            self.last_worker = worker
            if self.is_inherited:
                worker.oddity("JC912", "uses a connection that was opened in another process; let it open its own")
                raise sqlite3.ProgrammingError("this connection was opened in another process")
        return worker

    def run(self, worker: Worker, sql: str, calls: Sequence[Any], call: Callable[[], T], shown: str = "") -> T:
        """Let one statement through, as a step.

        Args:
            worker: Who runs it.
            sql: Its text.
            calls: Its bound values, once for each time it runs.
            call: Runs it.
            shown: The text for reports; empty for the statement with its values.
        """
        assert self.database is not None  # noqa: S101 - there is no worker without one
        parameters = calls[0] if calls else ()
        self.told.clear()
        statement = self.statement = self.database.catalog.statement(sql, parameters)
        if statement.verb == "ROLLBACK":
            return self._undo(call)
        shown = shown or label(sql, parameters)
        if statement.verb in ("COMMIT", "END", "RELEASE"):
            return self._commit(worker, shown, call)
        autocommit = self.commits_itself(statement.verb)
        touches = self.surroundings.touches_of(worker, statement, sql, calls)
        locks = self.kept.needed_by(statement, sql, autocommit=autocommit, level=self.isolation_level)
        effect = Effect("sql", shown, touches, bool(statement.writes) and autocommit, None, None, locks)
        may_wait = not self.kept.in_transaction
        hang = self._lock_wait(is_read=not statement.writes) if locks and may_wait else None
        self.answer = worker.begin(effect, disk_failure, hang)
        try:
            watched = self._watched(statement, calls, call)
            result = self.database.patiently(worker, watched, self.timeout if may_wait else None)
        except Exception as error:
            if self.in_transaction:
                self.kept.keep(worker, locks)  # it may have got them before it failed
            self.answer.failed(error, changed=self.changes.last)
            raise
        self.answer.done(statement.outcome(result), changed=self.changes.last)
        self.surroundings.applied(worker, statement, sql, in_transaction=self.in_transaction)
        if self.in_transaction:  # remember what the next ones depend on
            self.pending.update(dict.fromkeys(touch for touch in touches if touch.mode is not Mode.READ))
            self.kept.keep(worker, locks)
        return result

    def _watched(self, statement: Statement, calls: Sequence[Any], call: Callable[[], T]) -> Callable[[], T]:
        if not statement.is_counted or not self.surroundings.are_plain:
            self.changes.unknown(statement)
            return call
        may_look = bool(self.pending) or not self.in_transaction  # it would begin a transaction to read only
        return functools.partial(self.changes.watch, statement, calls, call, may_look=may_look)

    def commits_itself(self, verb: str) -> bool:
        """True if a statement with this verb would be its own transaction."""
        if self.in_transaction or self._always_in_transaction:
            return False
        legacy = getattr(self, "autocommit", _LEGACY) == _LEGACY and self.isolation_level is not None
        return not (legacy and verb in ("INSERT", "UPDATE", "DELETE", "REPLACE"))

    # --- sqlite3's own interface -------------------------------------------------------------------------------------

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        """A cursor whose statements are steps."""
        if self.database is None or self.is_quiet or not isinstance(factory, type):
            return super().cursor(factory)
        cursor = super().cursor(probed(factory, ProbedCursor))
        self.cursors.append(weakref.ref(cursor))
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

    def blobopen(self, table: str, column: str, row: int, /, *, readonly: bool = False, name: str = "main") -> Any:
        """See `sqlite3.Connection.blobopen`."""
        call = functools.partial(super().blobopen, table, column, row, readonly=readonly, name=name)
        worker = self.worker()
        return call() if worker is None else ProbedBlob(self, worker, call, (table, column, row), readonly=readonly)

    def commit(self) -> None:
        """A step, and durable, if there is anything to commit."""
        worker = self.worker()
        if worker is None or not (self.in_transaction and (self.pending or not self._always_in_transaction)):
            super().commit()
        else:
            self._commit(worker, "COMMIT", super().commit)

    def drop(self) -> None:
        """See `CommitsInC.drop`."""
        self._undo(super().rollback)

    def rollback(self) -> None:
        """Not a step: it changes nothing that lasts. A dead worker may do it, as death would."""
        worker = self.worker()
        if is_leaving():
            self._abandon(worker)
        self._undo(super().rollback)

    def close(self) -> None:
        """Rolls back, as sqlite3 does."""
        self._abandon(self.worker())
        super().close()
        self.is_closed = True
        self._transaction_over()
        fold_log(self)

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

    def _unseen(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Run a statement of our own. On Python 3.10, `Connection.execute` itself would call our `cursor`."""
        return super().cursor().execute(sql, parameters)

    @property
    def _always_in_transaction(self) -> bool:
        return getattr(self, "autocommit", _LEGACY) is False  # PEP 249 mode of Python 3.12

    def _commit(self, worker: Worker, text: str, call: Callable[[], T]) -> T:
        locks = self.kept.commit(changed=bool(self.pending))
        if self.database is not None and self.pending:
            self.database.levels.add("SERIALIZABLE")
        effect = Effect("sql", text, tuple(self.pending), bool(self.pending), None, None, locks)
        hang = self._lock_wait(is_read=False) if self.pending and not self.hurry.is_wal else None
        database = self.database
        assert database is not None  # noqa: S101 - there is no worker without one
        answer = worker.begin(effect, disk_failure, hang)
        try:
            result = database.patiently(worker, call, self.timeout)
        except Exception as error:
            if self.in_transaction:
                self.kept.keep(worker, locks)
            answer.failed(error)
            raise
        answer.done(changed=self.changes.uncommitted)
        if not self.in_transaction or self._always_in_transaction:
            self._transaction_over()
        return result

    def _lock_wait(self, *, is_read: bool) -> Callable[[], Hang] | None:
        """How a statement ends if others never free the locks that it needs; None if it needs none."""
        database = self.database
        if database is None or database.is_in_memory or (is_read and self.hurry.is_wal):
            return None
        return functools.partial(database.locked, self.timeout)

    def _abandon(self, worker: Worker | None) -> None:
        if worker is not None and self.in_transaction and self.changes.uncommitted:
            abandoned(worker, self.surroundings.base)

    def _undo(self, call: Callable[[], T]) -> T:
        result = call()
        if not self.in_transaction or self._always_in_transaction:  # ROLLBACK TO keeps the transaction open
            self._transaction_over()
        return result

    def _transaction_over(self) -> None:
        self.kept.transaction_over()
        self.pending.clear()
        self.surroundings.transaction_over()
        self.changes.uncommitted = False
