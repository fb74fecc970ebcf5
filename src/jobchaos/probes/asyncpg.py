"""AsyncpgProbe: every statement and commit through asyncpg is an effect.

Connections that workers open speak through an `AsyncpgProtocol`. One from before belongs to another event loop, which
each attempt of a coroutine job has anew; a job that uses one all the same, in a loop that it keeps, is told.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from typing import Any

from jobchaos.core.address import Address
from jobchaos.probes.asyncpg_protocol import AsyncpgProtocol
from jobchaos.probes.asyncpg_statements import Statements
from jobchaos.probes.asyncpg_waits import drop, line_of
from jobchaos.probes.isolation_gaps import Scratch
from jobchaos.probes.postgres_monitor import PostgresMonitor, postgres_scratch
from jobchaos.probes.server_probe import ServerProbe

_LIMITS = ("statement_timeout", "lock_timeout", "default_transaction_isolation")
_UNWATCHED = "driver:asyncpg"
"""A resource that no store knows: nobody sees what is done through a connection."""
_USING = ("_check_open", "_copy_in", "_copy_out")
_INTROSPECTING = ("_introspect_types", "_introspect_type")


class AsyncpgProbe(ServerProbe):
    """Does nothing unless asyncpg has been imported.

    Args:
        connect: Opens a connection that needs no event loop, in autocommit mode; takes a DSN.
    """

    dialect = "postgres"

    library = "asyncpg"

    def __init__(self, connect: Callable[[str], Any]) -> None:
        super().__init__()
        self._connect = connect
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from asyncpg.connection import Connection

        self._watch_beginning(Connection)
        self._watch_end(Connection)
        for name in _USING:
            self.patches.set(Connection, name, self._used(vars(Connection)[name]))
        for name in _INTROSPECTING:
            self.patches.set(Connection, name, _quietly(vars(Connection)[name]))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._finish_idle()
        super().remove()
        for connection in self._watched:
            if isinstance(connection._protocol, AsyncpgProtocol):  # noqa: SLF001 - None if it has been closed
                connection._protocol = connection._protocol.genuine  # noqa: SLF001
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    line_of(connection._transport).resume_reading()  # noqa: SLF001
        self._watched.clear()

    def settle(self) -> None:
        """See `Probe.settle`: of what an event loop leaves behind nobody has any use."""
        super().settle()
        self._finish_idle()

    # --- see ServerProbe ---------------------------------------------------------------------------------------------

    def address_of(self, connection: Any) -> Address:
        """See `ServerProbe.address_of`."""
        where, who = connection._addr, connection._params  # noqa: SLF001 - nothing public tells
        if isinstance(where, str):  # /var/run/postgresql/.s.PGSQL.5432
            host, _, file = where.rpartition("/")
            port = file.rpartition(".")[2]
        else:
            host, port = map(str, where)
        settings = who.server_settings or {}
        options = " ".join(f"-c {name}={settings[name]}" for name in _LIMITS if name in settings)
        parts = {"host": host, "port": port, "dbname": who.database, "user": who.user, "password": who.password}
        parts["options"] = options
        dsn = " ".join(f"{name}={_quoted(value)}" for name, value in parts.items() if value)
        return Address(f"sql:postgresql://{host}:{port}/{who.database}", dsn)

    def number_of(self, connection: Any) -> int:
        """See `ServerProbe.number_of`."""
        return int(connection.get_server_pid())

    def monitor(self, address: Address) -> PostgresMonitor:
        """See `ServerProbe.monitor`."""
        return PostgresMonitor(lambda: self._connect(address.access), self.hidden)

    def scratch(self, address: Address) -> Scratch:
        """See `ServerProbe.scratch`."""

        def connect() -> Any:
            connection = self._connect(address.access)
            connection.autocommit = False
            return connection

        return postgres_scratch(connect)

    def is_in_transaction(self, connection: Any) -> bool:
        """See `ServerProbe.is_in_transaction`."""
        return not connection.is_closed() and bool(connection.is_in_transaction())

    def roll_back(self, connection: Any) -> None:
        """See `ServerProbe.roll_back`: the event loop is over in which it could be."""
        raise self.refusal("the event loop of this connection is over")

    def finish(self, connection: Any) -> None:
        """See `ServerProbe.finish`."""
        connection._aborted = True  # noqa: SLF001 - so that asyncpg does not miss it
        drop(line_of(connection._transport))  # noqa: SLF001

    def refusal(self, text: str) -> Exception:
        """See `ServerProbe.refusal`."""
        from asyncpg import InterfaceError

        return InterfaceError(text)  # type: ignore[no-any-return]

    def _finish_idle(self) -> None:
        for connection in list(self._watched):
            if connection._loop.is_closed() and not connection.is_closed():  # noqa: SLF001
                self.finish(connection)

    # --- connections -------------------------------------------------------------------------------------------------

    def _watch_beginning(self, owner: type[Any]) -> None:
        def made(connection: Any, protocol: Any, *args: Any, **kwargs: Any) -> None:
            genuine(connection, protocol, *args, **kwargs)
            worker, line = self.worker(), line_of(connection._transport)  # noqa: SLF001
            if worker is None:
                return
            if line is None:  # in an event loop of somebody else's making
                return
            self.opened(connection)
            line.pause_reading()  # see `Statements.heard_by_loop`
            connection._protocol = AsyncpgProtocol(protocol, Statements(protocol, connection, line, self))  # noqa: SLF001
            self._watched.add(connection)

        genuine = self.patches.set(owner, "__init__", made)

    def _used(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def used(connection: Any, *args: Any, **kwargs: Any) -> Any:
            worker, protocol = self.worker(), connection._protocol  # noqa: SLF001
            if worker is not None and not isinstance(protocol, AsyncpgProtocol | None):
                worker.touch(_UNWATCHED)
            return genuine(connection, *args, **kwargs)

        return used

    def _watch_end(self, owner: type[Any]) -> None:
        async def closed(connection: Any, *, timeout: Any = None) -> None:
            try:
                await coroutine(connection, timeout=timeout)
            finally:
                self.closed(connection)

        def without_loop(genuine: Callable[[Any], None]) -> Callable[[Any], None]:
            def ended(connection: Any) -> None:
                if isinstance(connection._protocol, AsyncpgProtocol) and connection._loop.is_closed():  # noqa: SLF001
                    self.finish(connection)  # asyncpg would need the loop
                else:
                    genuine(connection)
                self.closed(connection)

            return ended

        coroutine = self.patches.set(owner, "close", closed)
        # It is deleted with a warning. But whoever has met a failing call may not have closed it.
        for name in ("terminate", "__del__"):
            self.patches.set(owner, name, without_loop(vars(owner)[name]))


def _quietly(genuine: Callable[..., Any]) -> Callable[..., Any]:
    """What asyncpg asks the server to understand its types is none of the job's statements."""

    async def introspect(connection: Any, *args: Any, **kwargs: Any) -> Any:
        protocol = connection._protocol  # noqa: SLF001
        if not isinstance(protocol, AsyncpgProtocol):
            return await genuine(connection, *args, **kwargs)
        before, protocol.statements.is_quiet = protocol.statements.is_quiet, True
        try:
            return await genuine(connection, *args, **kwargs)
        finally:
            protocol.statements.is_quiet = before

    return introspect


def _quoted(value: str) -> str:
    """A value in a DSN: https://www.postgresql.org/docs/current/libpq-connect.html, 32.1.1.1."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
