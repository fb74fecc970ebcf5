"""ServerMonitor: what a check asks an SQL server about its sessions, on a connection of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from jobchaos.probes.server_schema import ServerSchema


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


class ServerMonitor(Protocol):
    """Asks and tells. Sessions are known by the numbers that the server gives them."""

    @property
    def defaults(self) -> ServerDefaults:
        """How a new session is set up."""

    def schema(self) -> ServerSchema:
        """The schema as it is committed."""

    def waiting(self) -> Mapping[int, tuple[int, ...]]:
        """All sessions that wait for locks, and for whom."""

    def look(self, sessions: Collection[int]) -> Mapping[int, SessionState]:
        """What some sessions do; those that are gone are left out."""

    def cancel(self, session: int) -> None:
        """Make a session give up its statement."""

    def end(self, sessions: Collection[int]) -> None:
        """End sessions, and wait until they are gone with all their locks."""

    def close(self) -> None:
        """Let go of the connection."""

    def abandon(self) -> None:
        """In a forked process: leave the connection to the other one."""
