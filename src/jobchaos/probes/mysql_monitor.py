"""MySQLMonitor: sees who waits for a lock of InnoDB, and ends what is left of the dead.

The tables about locks in MariaDB's `information_schema` are kept for a tenth of a second, and longer if somebody keeps
asking. What `SHOW ENGINE INNODB STATUS` tells is always fresh. It does not say whom a session waits for, and nobody
needs it: InnoDB finds circles by itself, at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from jobchaos.probes.isolation_gaps import Scratch
from jobchaos.probes.mysql_catalog import read_schema
from jobchaos.probes.server_monitor import ServerDefaults, ServerMonitor, SessionState, listed
from jobchaos.probes.server_schema import ServerSchema

_SOMEBODY = (-1,)
_WAITING = re.compile(r"LOCK WAIT [^\n]*\n(?:MariaDB|MySQL) thread id (\d+)")
_STATES = re.compile(r"User lock|Waiting for .*lock", re.IGNORECASE)
_SESSIONS = "SELECT id, command, coalesce(state, '') FROM information_schema.processlist"
_NO_SUCH_THREAD = 1094
_SECOND = 1000


class MySQLMonitor(ServerMonitor):
    """Asks the list of processes, and InnoDB."""

    def read_defaults(self) -> ServerDefaults:
        """See `ServerMonitor.read_defaults`."""
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
        ((number,),) = self.query("SELECT CONNECTION_ID()")
        is_pooled = number != self.connection.thread_id()  # a proxy makes up numbers of its own
        return ServerDefaults(level.replace("-", " "), lock, limit, is_pooled)

    def schema(self) -> ServerSchema:
        """See `ServerMonitor.schema`."""
        return read_schema(self.query)

    def waiting(self) -> Mapping[int, tuple[int, ...]]:
        """See `ServerMonitor.waiting`."""
        known = self._states("")
        return {number: state.waits_for for number, state in known.items() if state.waits_for}

    def look(self, sessions: Collection[int]) -> Mapping[int, SessionState]:
        """See `ServerMonitor.look`."""
        return self._states(f" WHERE id IN ({listed(sessions)})") if sessions else {}

    def cancel(self, session: int) -> None:
        """See `ServerMonitor.cancel`."""
        self._kill("QUERY", session)

    def kill(self, sessions: Collection[int]) -> None:
        """See `ServerMonitor.kill`."""
        for session in sessions:
            self._kill("CONNECTION", session)

    def are_there(self, sessions: Collection[int]) -> bool:
        """See `ServerMonitor.are_there`."""
        return bool(self.query(f"{_SESSIONS} WHERE id IN ({listed(sessions)})"))

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
