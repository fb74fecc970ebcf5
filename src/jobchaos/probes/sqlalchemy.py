"""SQLAlchemyProbe: gives each controlled worker connections of its own, whatever its engine's pool holds.

Problem: an engine is a global of the process, and so is its pool. It hands out connections that were opened while
nobody watched, or by another worker, who would have been another process; what that one has left on it is its own.

Solution: refuse such a connection at checkout, in the pool's own way; the pool then opens a fresh one. When a worker
ends, those that it has left in a pool are closed.
"""

from __future__ import annotations

import contextlib
import inspect
import sqlite3
from typing import TYPE_CHECKING, Any

from jobchaos.core.ports import Worker
from jobchaos.probes.abandoned import leaves
from jobchaos.probes.library import LibraryProbe
from jobchaos.probes.setup import setting_up
from jobchaos.probes.sqlite_connection import ProbedConnection

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry

_OWNER = "jobchaos worker"
_CONNECT = "_ConnectionRecord__connect"


class SQLAlchemyProbe(LibraryProbe):
    """Does nothing unless SQLAlchemy has been imported."""

    library = "sqlalchemy"

    def __init__(self) -> None:
        super().__init__()
        self._opened: list[ConnectionPoolEntry] = []
        self._inherited: list[Any] = []
        self._is_forked = False

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from sqlalchemy import event, pool
        from sqlalchemy.engine import RootTransaction

        for name, listener in (("connect", self._connected), ("checkout", self._checkout)):
            event.listen(pool.Pool, name, listener)
            self.patches.on_undo(lambda name=name, listener=listener: event.remove(pool.Pool, name, listener))  # type: ignore[misc]

        self._watch_setup(pool.base._ConnectionRecord)  # noqa: SLF001 - no event comes after all of it
        # A connection that goes back to its pool is rolled back, by what holds it or by the pool. No event tells that
        # from a rollback of the job's own.
        for owner, method in ((RootTransaction, "_do_close"), (pool.base._ConnectionFairy, "_reset")):  # noqa: SLF001
            self.patches.set(owner, method, leaves(vars(owner)[method]))

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        mine = [entry for entry in self._opened if entry.info.get(_OWNER) is worker]
        self._opened = [entry for entry in self._opened if entry not in mine]
        for entry in mine:
            if not entry.in_use and entry.dbapi_connection is not None:
                _drop(entry)

    def after_fork(self) -> None:
        """See `Probe.after_fork`."""
        self._is_forked = True
        self._opened.clear()

    def _watch_setup(self, owner: Any) -> None:
        genuine = vars(owner)[_CONNECT]

        def connect(entry: Any) -> None:
            with setting_up():
                genuine(entry)
            raw = _raw(entry.dbapi_connection)
            if isinstance(raw, ProbedConnection):
                raw.is_quiet = False

        self.patches.set(owner, _CONNECT, connect)

    def _connected(self, connection: Any, entry: ConnectionPoolEntry) -> None:
        worker = self.worker()
        if worker is not None and not _is_private(connection):
            entry.info[_OWNER] = worker
            self._opened.append(entry)

    def _checkout(self, connection: Any, entry: Any, proxy: Any) -> None:
        worker = self.worker()
        if worker is None or entry.info.get(_OWNER) is worker or _is_private(connection):
            return
        from sqlalchemy.exc import DisconnectionError

        if self._is_forked:
            # Without it the pool would close it, and it belongs to another process:
            # https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
            self._inherited.append(connection)
            entry.dbapi_connection = proxy.dbapi_connection = None
        raise DisconnectionError("opened by somebody else; open one here")


def _drop(entry: Any) -> None:
    """Close what nobody uses. A coroutine's event loop is gone; psycopg closes without one, if SQLAlchemy lets it."""
    driver = entry.driver_connection
    if not (hasattr(driver, "pgconn") and inspect.iscoroutinefunction(driver.close)):
        entry.invalidate()
        return
    with contextlib.suppress(StopIteration):
        driver.close().send(None)
    entry.dbapi_connection = None


def _is_private(connection: Any) -> bool:
    """True for an in-memory database of SQLite's that would be lost with its connection."""
    raw = _raw(connection)
    if not isinstance(raw, sqlite3.Connection) or isinstance(raw, ProbedConnection):
        return False
    return not any(row[2] for row in sqlite3.Connection.execute(raw, "PRAGMA database_list"))


def _raw(connection: Any) -> Any:
    driver = getattr(connection, "driver_connection", connection)
    return getattr(driver, "_connection", driver)  # aiosqlite's
