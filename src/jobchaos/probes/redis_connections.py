"""Connections of client libraries: what we need to know of one, and how it is let go of."""

from __future__ import annotations

import inspect
import os
import sys
import weakref
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.redis_commands import LISTENING
from jobchaos.probes.redis_link import Link
from jobchaos.probes.redis_protocol import commands_in, name_of


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


def errors_of(connection: Any) -> Errors:
    """The errors of a connection's library."""
    package = next(
        module.partition(".")[0]
        for module in (kind.__module__ for kind in type(connection).__mro__)
        if module.startswith(("redis.", "valkey."))
    )
    exceptions = sys.modules[f"{package}.exceptions"]
    return Errors(exceptions.ConnectionError, exceptions.ResponseError)


def is_awaited(connection: Any) -> bool:
    """True for a connection of an asyncio client."""
    return inspect.iscoroutinefunction(connection.disconnect)


def socket_of(connection: Any) -> object:
    """What a connection is connected through; None if it is not."""
    return getattr(connection, "_writer", None) if is_awaited(connection) else getattr(connection, "_sock", None)


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


def unfit(connection: Any, link: Link, command: Any) -> str:
    """Why what a client sends cannot be controlled, in words that follow the job's name; empty if it can."""
    owner = getattr(getattr(connection, "redis_connect_func", None), "__self__", None)
    if type(owner).__name__.endswith("Cluster"):
        return "uses a Redis cluster; only single servers can be restored, so let it connect to one in the test"
    if link.listening or any(name_of(one) in LISTENING for one in commands_in(command)):
        link.listening = True
        return "subscribes to messages of Redis, which cannot be held back or sent again; let it read a list or stream"
    if any(name_of(one) == "CLIENT" and one[1:2] == (b"REPLY",) for one in commands_in(command)):
        link.listening = True
        return "turns replies of Redis off, so that nobody knows when a command is done"
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
