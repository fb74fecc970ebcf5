"""Connections of client libraries: what we need to know of one, and how it is let go of."""

from __future__ import annotations

import inspect
import os
import sys
import weakref
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.redis_commands import LISTENING
from jobchaos.probes.redis_link import Link
from jobchaos.probes.redis_protocol import Command, name_of


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of a connection's library.

    Attributes:
        lost: Raised when the connection breaks.
        reply: Raised for an error that the server replies.
    """

    lost: type[Exception]
    reply: type[Exception]

    def __call__(self) -> Exception:
        """The error for an injected failure."""
        return self.lost("Error 104 while writing to socket. Connection reset by peer.")


_errors: dict[type, Errors] = {}
_awaited: dict[type, bool] = {}


def errors_of(connection: Any) -> Errors:
    """The errors of a connection's library."""
    kind = type(connection)
    if kind not in _errors:
        _errors[kind] = _errors_of(kind)
    return _errors[kind]


def _errors_of(kind: type) -> Errors:
    package = next(
        module.partition(".")[0]
        for module in (base.__module__ for base in kind.__mro__)
        if module.startswith(("redis.", "valkey."))
    )
    exceptions = sys.modules[f"{package}.exceptions"]
    return Errors(exceptions.ConnectionError, exceptions.ResponseError)


def is_awaited(connection: Any) -> bool:
    """True for a connection of an asyncio client."""
    kind = type(connection)
    if kind not in _awaited:
        _awaited[kind] = inspect.iscoroutinefunction(connection.disconnect)
    return _awaited[kind]


def socket_of(connection: Any) -> object:
    """What a connection is connected through; None if it is not."""
    return getattr(connection, "_writer" if is_awaited(connection) else "_sock", None)


def drop(connection: Any) -> None:
    """Close an asyncio client's connection without waiting for anything."""
    connection._close()  # noqa: SLF001 - its `disconnect` is a coroutine, and there may be no loop any more
    if hasattr(connection, "_sock"):  # a fake one
        connection._sock = None  # noqa: SLF001


def require_own(connection: Any, link: Link, worker: Worker) -> None:
    """Refuse a connection that another process has opened: both would read each other's replies.

    Raises:
        ConnectionError: The library's own.
    """
    opener = getattr(connection, "pid", link.owner if link.socket is not None else os.getpid())
    if socket_of(connection) is not None and opener != os.getpid():
        worker.oddity("JC912", "uses a Redis connection that was opened in another process; let it open its own")
        raise errors_of(connection).lost("this connection was opened in another process")


def unfit(connection: Any, link: Link, commands: Sequence[Command]) -> str:
    """Why what a client sends cannot be controlled, in words that follow the job's name; empty if it can."""
    owner = getattr(getattr(connection, "redis_connect_func", None), "__self__", None)
    if owner is not None and type(owner).__name__.endswith("Cluster"):
        return "uses a Redis cluster; only single servers can be restored, so let it connect to one in the test"
    if not link.listening:
        names = {name_of(command) for command in commands}
        no_replies = "CLIENT" in names and any(command[1:2] == (b"REPLY",) for command in commands)
        link.listening = no_replies or not names.isdisjoint(LISTENING)
    if link.listening:
        return "listens to messages of Redis (SUBSCRIBE, MONITOR), which cannot be held back or sent again"
    return ""


class Loops:
    """Event loops, and the connections that were used in each.

    A pool outlives the event loop of an attempt, and would hand out its connections in the next one's. A loop that
    ends closes its asynchronous generators. So there is one in each, and when it is closed, it drops them.
    """

    def __init__(self) -> None:
        self._keepers: weakref.WeakKeyDictionary[Any, tuple[AsyncGenerator[None, None], weakref.WeakSet[Any]]]
        self._keepers = weakref.WeakKeyDictionary()

    async def keep(self, connection: Any) -> None:
        """A connection is used in the running loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        if loop not in self._keepers:
            connections: weakref.WeakSet[Any] = weakref.WeakSet()
            keeper = _until_the_end(connections)
            await keeper.__anext__()
            self._keepers[loop] = keeper, connections
        self._keepers[loop][1].add(connection)


async def _until_the_end(connections: weakref.WeakSet[Any]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        for connection in list(connections):
            drop(connection)
