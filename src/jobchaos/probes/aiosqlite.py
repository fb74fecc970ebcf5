"""AiosqliteProbe: connections of aiosqlite work in the worker's own thread, where `SQLiteProbe` sees them.

By itself, aiosqlite has a thread for each connection, whose statements nobody could order or kill with the job.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobchaos.probes.library import LibraryProbe

if TYPE_CHECKING:
    import asyncio


class AiosqliteProbe(LibraryProbe):
    """Replaces the queue that leads to a connection's thread."""

    library = "aiosqlite"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from aiosqlite.core import Connection

        genuine = Connection.__init__

        def __init__(connection: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - what it replaces
            genuine(connection, *args, **kwargs)
            if self.worker() is not None:
                connection._tx = _AtOnce()  # noqa: SLF001 - the way to the thread
                if hasattr(connection, "_thread"):
                    connection._thread = _NoThread()  # noqa: SLF001
                else:  # until 0.21 the connection itself is one
                    connection.start = _NoThread.start

        self.patches.set(Connection, "__init__", __init__)


class _AtOnce:
    """A queue whose items are done as they are put into it. Who waits for them is told a little later, as by a thread.

    So other tasks of the event loop can move in between.
    """

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        future, function = item
        result, error = None, None
        try:
            result = function()
        except Exception as raised:  # noqa: BLE001 - goes to whoever waits for it
            error = raised
        if future is not None:
            tell = functools.partial(_tell, future, result, error)
            loop = future.get_loop()
            loop.call_soon(tell) if loop.is_running() else tell()


def _tell(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():  # cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class _NoThread:
    """What a connection starts and stops."""

    daemon = False

    @staticmethod
    def start() -> None:
        pass

    @staticmethod
    def is_alive() -> bool:
        return False
