"""SQLAlchemyStatementProbe: every statement of any engine, whichever database and driver, for suites as they are.

What goes through a SQLite connection that is watched itself is left to that. A test may have a transaction open around
its tasks, which join it by savepoints; then the release of the outermost savepoint of a task is its COMMIT.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.pending import Pending
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.sql_text import tables_of, told, verb_of
from jobchaos.probes.sqlite_connection import ProbedConnection

PREFIX = "sql:sqlalchemy/"
_engines: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Engines that workers have used, each to its connection that was used last."""
_READING = frozenset({"SELECT", "SHOW", "EXPLAIN", "VALUES", "PRAGMA", "WITH"})
_SINGLE = frozenset({"StaticPool", "SingletonThreadPool"})
_CONTROL = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"})
_EVENTS = ("before_cursor_execute", "after_cursor_execute", "handle_error", "begin", "commit")
_SAVEPOINTS = ("savepoint", "release_savepoint", "rollback_savepoint")


@dataclass(slots=True)
class _Use:
    """How a worker uses a connection."""

    begun: bool = False
    depth: int = 0
    pending: Pending | None = None
    written: dict[Touch, None] = field(default_factory=dict)


class SQLAlchemyStatementProbe(BaseProbe):
    """Does nothing unless SQLAlchemy has been imported."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._uses: weakref.WeakKeyDictionary[Any, weakref.WeakKeyDictionary[Any, _Use]] = weakref.WeakKeyDictionary()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        if sys.modules.get("sqlalchemy.engine") is not None:
            from sqlalchemy import Engine, event, util

            self._control = control
            genuine = util.is_exit_exception

            def is_exit_exception(error: BaseException) -> bool:
                # After one, SQLAlchemy drops the connection; a database in private memory would be lost with it.
                return bool(genuine(error)) and control.current() is None

            self._patches.set(util, "is_exit_exception", is_exit_exception)
            for name in (*_EVENTS, *_SAVEPOINTS):
                event.listen(Engine, name, getattr(self, f"_{name}"))

    def remove(self) -> None:
        """See `Probe.remove`."""
        if self._control is not None:
            from sqlalchemy import Engine, event

            for name in (*_EVENTS, *_SAVEPOINTS):
                event.remove(Engine, name, getattr(self, f"_{name}"))
            self._patches.undo()
            self._control = None

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`: what it has not committed is rolled back."""
        for connection, use in list(self._uses.get(worker, {}).items()):
            if use.begun:
                with contextlib.suppress(Exception):  # it may be closed by now, or broken
                    connection.rollback()

    def _use(self, connection: Any) -> tuple[Worker, _Use] | tuple[None, None]:
        worker = None if self._control is None else self._control.current()
        if worker is None or isinstance(getattr(connection.connection, "dbapi_connection", None), ProbedConnection):
            return None, None
        uses = self._uses.setdefault(worker, weakref.WeakKeyDictionary())
        return worker, uses.setdefault(connection, _Use())

    # --- SQLAlchemy's events -----------------------------------------------------------------------------------------

    def _before_cursor_execute(
        self, connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        worker, use = self._use(connection)
        if worker is None or use is None or verb_of(statement) in _CONTROL:
            return
        engine = connection.engine
        place = f"{PREFIX}{id(engine)}"
        _engines[engine] = weakref.ref(connection)
        worker.touch(place)
        mode = Mode.READ if verb_of(statement) in _READING else Mode.WRITE
        touches = tuple(Touch(f"{place}/{table}", mode) for table in tables_of(statement)) or (Touch(place, mode),)
        if mode is Mode.WRITE:
            use.written.update(dict.fromkeys(touches))
        shown = told(statement.replace("?", "%s"), parameters[0] if many and parameters else parameters)
        use.pending = worker.begin(Effect("sql", shown, touches), _failure)

    def _after_cursor_execute(self, connection: Any, *_rest: Any) -> None:
        self._done(connection)

    def _handle_error(self, context: Any) -> None:
        _, use = self._use(context.connection) if context.connection is not None else (None, None)
        if use is not None and use.pending is not None:
            use.pending.failed(context.original_exception)
            use.pending = None

    def _begin(self, connection: Any) -> None:
        _, use = self._use(connection)
        if use is not None:
            use.begun = True

    def _savepoint(self, connection: Any, _name: str) -> None:
        _, use = self._use(connection)
        if use is not None:
            use.depth += 1

    def _release_savepoint(self, connection: Any, *_rest: Any) -> None:
        _, use = self._use(connection)
        if use is not None:
            use.depth -= 1
            if use.depth == 0 and not use.begun:
                self._commit(connection)

    def _rollback_savepoint(self, connection: Any, *_rest: Any) -> None:
        _, use = self._use(connection)
        if use is not None:
            use.depth -= 1

    def _commit(self, connection: Any) -> None:
        worker, use = self._use(connection)
        if worker is not None and use is not None and use.written:
            touches = tuple(use.written)
            use.written.clear()
            worker.begin(Effect("sql", "COMMIT", touches, durable=True), _failure).done()

    def _done(self, connection: Any) -> None:
        _, use = self._use(connection)
        if use is not None and use.pending is not None:
            pending, use.pending = use.pending, None
            pending.done()


def engine_of(resource: str) -> tuple[Any, Callable[[], Any]] | None:
    """The engine behind a resource path, and what gives the connection that was used last; None if it is gone."""
    wanted = resource.partition(PREFIX)[2].partition("/")[0]
    engine = next((engine for engine in _engines if str(id(engine)) == wanted), None)
    return None if engine is None else (engine, lambda: _engines[engine]())


def is_shared() -> bool:
    """True if workers have used a connection that they share with the test: the only one of a pool, or its own."""
    for engine, reference in list(_engines.items()):
        last = reference()
        if type(engine.pool).__name__ in _SINGLE or (last is not None and not last.closed and last.in_transaction()):
            return True
    return False


def _failure() -> Exception:
    from sqlalchemy.exc import OperationalError

    return OperationalError("", None, ConnectionError("server closed the connection unexpectedly"))
