"""DjangoStatementProbe: every statement of a Django connection, whichever database it goes to, and when it was opened.

For suites that run as they are. There a test, its fixtures and its tasks share one connection, and often one
transaction that is rolled back at the end; what would be a transaction of the task's own is a savepoint there.
"""

from __future__ import annotations

import contextvars
import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.pending import Pending
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.sql_text import tables_of, told, verb_of

_CONTROL = frozenset({"SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "SET", "PRAGMA"})
_READING = frozenset({"SELECT", "SHOW", "EXPLAIN", "VALUES"})


class DjangoStatementProbe(BaseProbe):
    """Does nothing unless Django's database layer has been imported."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._levels: weakref.WeakKeyDictionary[Any, dict[Any, int]] = weakref.WeakKeyDictionary()
        self._written: weakref.WeakKeyDictionary[Any, dict[Touch, None]] = weakref.WeakKeyDictionary()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        if sys.modules.get("django.db.backends.utils") is not None:
            from django.db.backends.base.base import BaseDatabaseWrapper
            from django.db.backends.utils import CursorWrapper
            from django.db.transaction import Atomic

            for name in ("_execute", "_executemany"):
                self._patches.set(CursorWrapper, name, self._statement(vars(CursorWrapper)[name]))
            self._patches.set(BaseDatabaseWrapper, "on_commit", self._postponing(BaseDatabaseWrapper.on_commit))
            self._patches.set(Atomic, "__enter__", self._entering(Atomic.__enter__))
            self._patches.set(Atomic, "__exit__", self._exiting(Atomic.__exit__))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def enter(self, worker: Worker) -> None:
        """See `Probe.enter`: what is open now was opened by the test."""
        self._levels[worker] = {connection: _level(connection) for connection in _opened()}

    def _worker(self) -> Worker | None:
        return None if self._control is None else self._control.current()

    def _base(self, worker: Worker, connection: Any) -> int:
        return self._levels.get(worker, {}).get(connection, 0)

    def _statement(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def execute(cursor: Any, sql: Any, params: Any, *context: Any) -> Any:
            worker = self._worker()
            verb = verb_of(str(sql)) if worker is not None else ""
            if worker is None or verb in _CONTROL:
                return genuine(cursor, sql, params, *context)
            connection = cursor.db
            mode = Mode.READ if verb in _READING else Mode.WRITE
            place = f"sql:django/{connection.alias}"
            touches = tuple(Touch(f"{place}/{table}", mode) for table in tables_of(str(sql))) or (Touch(place, mode),)
            writes = mode is Mode.WRITE
            durable = writes and _level(connection) <= self._base(worker, connection)
            if writes and not durable:
                self._written.setdefault(connection, {}).update(dict.fromkeys(touches))
            return worker.perform(
                Effect("sql", told(str(sql), params), touches, durable),
                lambda: genuine(cursor, sql, params, *context),
                failure=_failure,
            )

        return execute

    def _postponing(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        """What is done after the COMMIT is done by whoever has asked for it, although the task may be over by then."""

        def on_commit(connection: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
            if self._worker() is not None and callable(func):
                func = functools.partial(contextvars.copy_context().run, func)
            return genuine(connection, func, *args, **kwargs)

        return on_commit

    def _entering(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def enter(atomic: Any) -> Any:
            worker = self._worker()
            if worker is None or atomic.savepoint:
                return genuine(atomic)
            from django.db.transaction import get_connection

            connection = get_connection(atomic.using)
            if not connection.in_atomic_block or _level(connection) != self._base(worker, connection):
                return genuine(atomic)
            atomic.savepoint = True  # in production this is the outermost one: a transaction, which can roll back
            try:
                return genuine(atomic)
            finally:
                atomic.savepoint = False

        return enter

    def _exiting(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def leave(atomic: Any, kind: Any, error: Any, traceback: Any) -> Any:
            worker = self._worker()
            pending: Pending | None = None
            if worker is not None and kind is None:
                from django.db.transaction import get_connection

                connection = get_connection(atomic.using)
                written = self._written.get(connection)
                if written and _level(connection) == self._base(worker, connection) + 1:
                    effect = Effect("sql", "COMMIT", tuple(written), durable=True)
                    try:
                        pending = worker.begin(effect, _failure)
                    except BaseException as death:
                        written.clear()
                        genuine(atomic, type(death), death, death.__traceback__)
                        raise
                    written.clear()
            result = genuine(atomic, kind, error, traceback)
            if pending is not None:
                pending.done()
            return result

        return leave


def waits_for_commit() -> bool:
    """True if a test's transaction holds back functions that were to run after a COMMIT, which never comes."""
    return any(connection.run_on_commit for connection in _opened())


def is_in_transaction() -> bool:
    """True if the calling thread has a transaction open, as within a test that is rolled back at its end."""
    return any(connection.in_atomic_block for connection in _opened())


def close_connections() -> None:
    """Close those of the calling thread."""
    for connection in _opened():
        connection.close()


def _opened() -> list[Any]:
    if sys.modules.get("django.db") is None:
        return []
    from django.conf import settings
    from django.db import connections

    return list(connections.all(initialized_only=True)) if settings.configured else []


def _level(connection: Any) -> int:
    """How many atomic blocks are open."""
    return 1 + len(connection.savepoint_ids) if connection.in_atomic_block else 0


def _failure() -> Exception:
    from django.db import OperationalError

    error: Exception = OperationalError("server closed the connection unexpectedly")
    return error
