"""PostgresMonitor: sees who waits for whom, and ends what is left of the dead."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from jobchaos.errors import UsageError
from jobchaos.probes.isolation_gaps import Scratch
from jobchaos.probes.postgres_catalog import read_schema
from jobchaos.probes.server_monitor import ServerDefaults, SessionState
from jobchaos.probes.server_schema import ServerSchema

_sleep = [time.sleep]  # the genuine one, in a list, where nothing replaces it
_PAUSE = 0.0005  # seconds
_PATIENCE = 20_000  # pauses
_abandoned: list[Any] = []


class PostgresMonitor:
    """Implements `ServerMonitor`.

    Args:
        connect: Opens a connection in autocommit mode, with which the job's driver has nothing to do.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None
        self._defaults: ServerDefaults | None = None

    @property
    def defaults(self) -> ServerDefaults:
        """See `ServerMonitor.defaults`."""
        if self._defaults is None:
            isolation, lock, statement, number = self._query(
                "SELECT upper(current_setting('default_transaction_isolation')), "
                "(SELECT setting::int FROM pg_settings WHERE name = 'lock_timeout'), "
                "(SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'), pg_backend_pid()"
            )[0]
            is_pooled = number != self._connection.info.backend_pid  # a pooler makes up numbers of its own
            self._defaults = ServerDefaults(isolation, lock, statement, is_pooled)
        return self._defaults

    def schema(self) -> ServerSchema:
        """See `ServerMonitor.schema`."""
        return read_schema(self._query)

    def waiting(self) -> Mapping[int, tuple[int, ...]]:
        """See `ServerMonitor.waiting`."""
        return {
            pid: tuple(others)
            for pid, others in self._query(
                "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND state = 'active'"
            )
            if others
        }

    def look(self, sessions: Collection[int]) -> Mapping[int, SessionState]:
        """See `ServerMonitor.look`."""
        rows = self._query(
            "SELECT pid, state IN ('active', 'fastpath function call'), pg_blocking_pids(pid) FROM pg_stat_activity "
            f"WHERE pid IN ({_listed(sessions)})"
        )
        return {pid: SessionState(bool(busy), tuple(others)) for pid, busy, others in rows}

    def cancel(self, session: int) -> None:
        """See `ServerMonitor.cancel`."""
        self._query(f"SELECT pg_cancel_backend({int(session)})")

    def end(self, sessions: Collection[int]) -> None:
        """See `ServerMonitor.end`: the row in pg_stat_activity goes after the locks."""
        if not sessions:
            return
        self._query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN ({_listed(sessions)})")
        for _ in range(_PATIENCE):
            if not self._query(f"SELECT 1 FROM pg_stat_activity WHERE pid IN ({_listed(sessions)})"):
                return
            _sleep[0](_PAUSE)
        raise UsageError("the server does not end the session of a dead worker, so that its locks stay")

    def close(self) -> None:
        """See `ServerMonitor.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abandon(self) -> None:
        """See `ServerMonitor.abandon`."""
        _abandoned.append(self._connection)
        self._connection = None

    def _query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = self._connect()
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _listed(sessions: Collection[int]) -> str:
    return ", ".join(str(int(session)) for session in sessions)


def postgres_scratch(connect: Callable[[], Any]) -> Scratch:
    """A table in a schema of ours, which stores leave out.

    Args:
        connect: Opens a connection, in transactions.
    """
    schema = f"jobchaos_{os.getpid()}_0"
    return Scratch(
        connect,
        f"{schema}.gaps",
        (f"CREATE SCHEMA {schema}",),
        (f"DROP SCHEMA {schema}",),
        "SET lock_timeout = '100ms'",
    )
