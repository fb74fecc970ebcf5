"""MySQLMonitor: sees who waits for a lock of InnoDB, and ends what is left of the dead.

The tables about locks in MariaDB's `information_schema` are kept for a tenth of a second, and longer if somebody keeps
asking. What `SHOW ENGINE INNODB STATUS` tells is always fresh. It does not say whom a session waits for, and nobody
needs it: InnoDB finds circles by itself, at once.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from jobchaos.errors import UsageError
from jobchaos.probes.isolation_gaps import Scratch
from jobchaos.probes.mysql_catalog import read_schema
from jobchaos.probes.server_monitor import ServerDefaults, SessionState
from jobchaos.probes.server_schema import ServerSchema

_sleep = [time.sleep]  # the genuine one, in a list, where nothing replaces it
_PAUSE = 0.0005  # seconds
_PATIENCE = 20_000  # pauses
_SOMEBODY = (-1,)
_abandoned: list[Any] = []
_WAITING = re.compile(r"LOCK WAIT [^\n]*\n(?:MariaDB|MySQL) thread id (\d+)")
_STATES = re.compile(r"User lock|Waiting for .*lock", re.IGNORECASE)
_SESSIONS = "SELECT id, command, coalesce(state, '') FROM information_schema.processlist"
_NO_SUCH_THREAD = 1094
_SECOND = 1000


class MySQLMonitor:
    """Implements `ServerMonitor`.

    Args:
        connect: Opens a connection in autocommit mode, with which the job's driver has nothing to do.
        hidden: While it lasts, what goes over sockets is none of the job's doing.
    """

    def __init__(self, connect: Callable[[], Any], hidden: Callable[[], AbstractContextManager[None]]) -> None:
        self._connect = connect
        self._hidden = hidden
        self._connection: Any = None
        self._defaults: ServerDefaults | None = None

    @property
    def defaults(self) -> ServerDefaults:
        """See `ServerMonitor.defaults`."""
        if self._defaults is None:
            variables = dict(
                self.query(
                    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation', "
                    "'innodb_lock_wait_timeout', 'max_statement_time', 'max_execution_time')"
                )
            )
            level = variables.get("transaction_isolation") or variables["tx_isolation"]
            statement = float(variables.get("max_statement_time", 0)) * _SECOND  # MariaDB's, in seconds
            limit = int(statement or float(variables.get("max_execution_time", 0)))
            lock = int(variables["innodb_lock_wait_timeout"]) * _SECOND
            self._defaults = ServerDefaults(level.replace("-", " "), lock, limit)
        return self._defaults

    def schema(self) -> ServerSchema:
        """See `ServerMonitor.schema`."""
        return read_schema(self.query)

    def waiting(self) -> Mapping[int, tuple[int, ...]]:
        """See `ServerMonitor.waiting`."""
        known = self._states("")
        return {number: state.waits_for for number, state in known.items() if state.waits_for}

    def look(self, sessions: Collection[int]) -> Mapping[int, SessionState]:
        """See `ServerMonitor.look`."""
        return self._states(f" WHERE id IN ({_listed(sessions)})") if sessions else {}

    def cancel(self, session: int) -> None:
        """See `ServerMonitor.cancel`."""
        self._kill("QUERY", session)

    def end(self, sessions: Collection[int]) -> None:
        """See `ServerMonitor.end`."""
        if not sessions:
            return
        for session in sessions:
            self._kill("CONNECTION", session)
        for _ in range(_PATIENCE):
            if not self.query(f"{_SESSIONS} WHERE id IN ({_listed(sessions)})"):
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

    def query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run a query; return its rows."""
        with self._hidden():
            if self._connection is None:
                self._connection = self._connect()
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
                rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def _states(self, condition: str) -> dict[int, SessionState]:
        sessions = self.query(f"{_SESSIONS}{condition}")
        ((_, _, status),) = self.query("SHOW ENGINE INNODB STATUS")
        waiting = set(map(int, _WAITING.findall(status)))
        return {
            number: SessionState(command != "Sleep", _SOMEBODY if number in waiting or _STATES.fullmatch(state) else ())
            for number, command, state in sessions
        }

    def _kill(self, what: str, session: int) -> None:
        try:
            self.query(f"KILL {what} {int(session)}")
        except Exception as error:
            if error.args[:1] != (_NO_SUCH_THREAD,):
                raise


def mysql_scratch(connect: Callable[[], Any]) -> Scratch:
    """A table in a database of ours.

    Args:
        connect: Opens a connection, in transactions.
    """
    name = f"jobchaos_shadow_{os.getpid()}_0"
    return Scratch(
        connect,
        f"{name}.gaps",
        (f"CREATE DATABASE {name}",),
        (f"DROP DATABASE {name}",),
        "SET SESSION innodb_lock_wait_timeout = 0",  # MySQL makes a second of it
    )


def _listed(sessions: Collection[int]) -> str:
    return ", ".join(str(int(session)) for session in sessions)
