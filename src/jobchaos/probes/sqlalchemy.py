"""SQLAlchemyProbe: makes pools give controlled workers connections that can be watched.

Problem: a pool that was filled before the check hands out connections that were opened while nobody watched, and a
connection cannot be changed into a watched one.

Solution: refuse such a connection at checkout, in the pool's own way; the pool then opens a fresh one.
"""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe
from jobchaos.probes.sqlite_connection import ProbedConnection


class SQLAlchemyProbe(BaseProbe):
    """Does nothing unless SQLAlchemy has been imported."""

    def __init__(self) -> None:
        self._control: Control | None = None
        self._listening = False

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        if "sqlalchemy" in sys.modules:
            from sqlalchemy import event, pool

            event.listen(pool.Pool, "checkout", self._checkout)
            self._listening = True

    def remove(self) -> None:
        """See `Probe.remove`."""
        if self._listening:
            from sqlalchemy import event, pool

            event.remove(pool.Pool, "checkout", self._checkout)
            self._listening = False
        self._control = None

    def _checkout(self, connection: Any, record: Any, proxy: Any) -> None:
        if self._control is None or self._control.current() is None:
            return
        if isinstance(connection, ProbedConnection) and connection.is_inherited:
            from sqlalchemy.exc import DisconnectionError

            # Without it the pool would close it, and it belongs to another process:
            # https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
            record.dbapi_connection = proxy.dbapi_connection = None
            raise DisconnectionError("opened in another process; open one here")
        if isinstance(connection, sqlite3.Connection) and not _is_watched(connection) and _has_file(connection):
            from sqlalchemy.exc import DisconnectionError

            raise DisconnectionError("opened before the check; open one that can be watched")


def _is_watched(connection: sqlite3.Connection) -> bool:
    return isinstance(connection, ProbedConnection) and connection.database is not None


def _has_file(connection: sqlite3.Connection) -> bool:
    """False for a private in-memory database, which would be lost with its connection."""
    return any(row[2] for row in sqlite3.Connection.execute(connection, "PRAGMA database_list"))
