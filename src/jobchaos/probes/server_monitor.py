"""ServerMonitor: what a check asks an SQL server about its sessions, on a connection of its own."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobchaos.errors import UsageError
from jobchaos.probes.server_schema import ServerSchema

_sleep = [time.sleep]  # the genuine one, in a list, where nothing replaces it
_PAUSE = 0.0005  # seconds
_PATIENCE = 20_000  # pauses
_abandoned: list[Any] = []


class SessionState(NamedTuple):
    """What a session does at the moment.

    Attributes:
        busy: Whether it has a statement that is not finished.
        waits_for: Numbers of the sessions that keep locked what it wants; empty if it does not wait.
    """

    busy: bool
    waits_for: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ServerDefaults:
    """How a new session is set up.

    Attributes:
        isolation: Its level, in capitals: `READ COMMITTED`.
        lock_timeout: Milliseconds until a wait for a lock is given up; 0 if never.
        statement_timeout: Milliseconds until a statement is; 0 if never.
        is_pooled: Whether something stands in between that gives sessions away.
    """

    isolation: str
    lock_timeout: int
    statement_timeout: int
    is_pooled: bool = False


class ServerMonitor(abc.ABC):
    """Asks and tells. Sessions are known by the numbers that the server gives them.

    Args:
        connect: Opens a connection in autocommit mode, with which the job's driver has nothing to do.
        hidden: While it lasts, what goes over sockets is none of the job's doing.
    """

    def __init__(
        self, connect: Callable[[], Any], hidden: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._connect = connect
        self._hidden = hidden
        self._defaults: ServerDefaults | None = None
        self.connection: Any = None
        """The connection, once something was asked."""

    @property
    def defaults(self) -> ServerDefaults:
        """How a new session is set up."""
        if self._defaults is None:
            self._defaults = self.read_defaults()
        return self._defaults

    def end(self, sessions: Collection[int]) -> None:
        """End sessions, and wait until they are gone with all their locks.

        Raises:
            UsageError: If the server does not end them.
        """
        if not sessions:
            return
        self.kill(sessions)
        for _ in range(_PATIENCE):
            if not self.are_there(sessions):
                return
            _sleep[0](_PAUSE)
        raise UsageError("the server does not end the session of a dead worker, so that its locks stay")

    def query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run a query; return its rows."""
        with self._hidden():
            if self.connection is None:
                self.connection = self._connect()
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def close(self) -> None:
        """Let go of the connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def abandon(self) -> None:
        """In a forked process: leave the connection to the other one."""
        _abandoned.append(self.connection)
        self.connection = None

    # --- what a server knows -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def read_defaults(self) -> ServerDefaults:
        """How a new session is set up."""

    @abc.abstractmethod
    def schema(self) -> ServerSchema:
        """The schema as it is committed."""

    @abc.abstractmethod
    def waiting(self) -> Mapping[int, tuple[int, ...]]:
        """All sessions that wait for locks, and for whom."""

    @abc.abstractmethod
    def look(self, sessions: Collection[int]) -> Mapping[int, SessionState]:
        """What some sessions do; those that are gone are left out."""

    @abc.abstractmethod
    def cancel(self, session: int) -> None:
        """Make a session give up its statement."""

    @abc.abstractmethod
    def kill(self, sessions: Collection[int]) -> None:
        """Have sessions ended. They may linger for a moment."""

    @abc.abstractmethod
    def are_there(self, sessions: Collection[int]) -> bool:
        """True if one of them still is, or its locks."""


def listed(sessions: Collection[int]) -> str:
    """Numbers of sessions, in SQL."""
    return ", ".join(str(int(session)) for session in sessions)
