"""PyMySQLProbe: every statement and commit through PyMySQL is an effect.

All connections are seen, also those that were opened before the check: the methods of `pymysql.connections.Connection`
are replaced. PyMySQL waits in Python, so that it can be asked to wait otherwise.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jobchaos.core.address import Address
from jobchaos.core.ports import Worker
from jobchaos.probes.mysql import LOST, Answer, MySQLProbe
from jobchaos.probes.mysql_waits import wait_for_answer

T = TypeVar("T")
_IN_TRANSACTION, _AUTOCOMMIT = 1, 2  # pymysql.constants.SERVER_STATUS
_left: list[Any] = []
"""Sockets that belong to the process that this one was forked from: to close one would end its session."""


class PyMySQLProbe(MySQLProbe):
    """Does nothing unless PyMySQL has been imported."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: set[int] = set()

    library = "pymysql"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from pymysql.connections import Connection, MySQLResult

        self.kind = Connection
        self._genuine_query = Connection.query
        self.replace("query", self.query)
        self.replace("autocommit", self.autocommit)
        self.replace("_read_query_result", self._read_answer)
        self.replace("_read_ok_packet", self._read_answer)
        for name in ("commit", "rollback", "begin"):
            self.replace(name, self.controlling(name.upper()))
        self.replace("select_db", self.select)
        for name in ("close", "_force_close"):
            self.replace(name, self.close)
        self._watch_files(MySQLResult)
        self._watch_opening(Connection)

    # --- see MySQLProbe ----------------------------------------------------------------------------------------------

    @property
    def errors(self) -> Any:
        """See `MySQLProbe.errors`."""
        from pymysql import err

        return err

    def address_of(self, connection: Any) -> Address:
        """See `ServerProbe.address_of`."""
        name = _text(connection.db) or ""
        access = {
            "host": connection.host,
            "port": connection.port,
            "user": _text(connection.user),
            "password": _text(connection.password),
            "database": name,
            "unix_socket": connection.unix_socket,
            "ssl_disabled": not connection._secure,  # noqa: SLF001 - to prepare TLS takes a twentieth of a second
        }
        return Address(f"sql:mysql://{connection.host}:{connection.port}/{name}", access)

    def open(self, address: Address, **options: Any) -> Any:
        """See `MySQLProbe.open`."""
        connection = self.marked_ours(self.kind(**address.access, **options, defer_connect=True))
        connection.connect()
        return connection

    def is_in_transaction(self, connection: Any) -> bool:
        """See `ServerProbe.is_in_transaction`."""
        return bool(connection.open and connection.server_status & _IN_TRANSACTION)

    def is_autocommit(self, connection: Any) -> bool:
        """See `MySQLProbe.is_autocommit`."""
        return bool(connection.server_status & _AUTOCOMMIT)

    def roll_back(self, connection: Any) -> None:
        """See `ServerProbe.roll_back`."""
        connection.rollback()

    def finish(self, connection: Any) -> None:
        """See `ServerProbe.finish`."""
        connection._force_close()  # noqa: SLF001 - `close` would say goodbye, and wait

    def renew(self, connection: Any, *, is_ours: bool) -> bool:
        """See `ServerProbe.renew`."""
        if is_ours and connection.open:
            return False
        if not is_ours:
            _left.append(connection._sock)  # noqa: SLF001
        connection._sock = None  # noqa: SLF001
        with contextlib.suppress(self.errors.Error):  # then it stays closed, and PyMySQL says so
            connection.connect()
        return bool(connection.open)

    def ask(self, connection: Any, sql: str) -> Sequence[tuple[Any, ...]]:
        """See `MySQLProbe.ask`."""
        kept = connection._result  # noqa: SLF001 - where a cursor takes the job's own answer from
        with self.hidden():
            self._genuine_query(connection, sql)
        rows: Sequence[tuple[Any, ...]] = connection._result.rows or ()  # noqa: SLF001
        connection._result = kept  # noqa: SLF001
        return rows

    def answer(self, connection: Any) -> Answer | None:
        """See `MySQLProbe.answer`."""
        told = connection._result  # noqa: SLF001 - where a cursor takes it from
        if told is None or told.unbuffered_active:
            return None
        rows = (told.rows or ()) if told.field_count else None
        return Answer(told.affected_rows if rows is None else len(rows), rows)

    def carried_out(self, connection: Any, worker: Worker, call: Callable[[], T]) -> T:
        """See `MySQLProbe.carried_out`: PyMySQL then reads the answer, see `_read_answer`."""
        self._asked.add(id(connection))
        try:
            return call()
        finally:
            self._asked.discard(id(connection))

    def lose(self, connection: Any) -> Exception:
        """See `MySQLProbe.lose`."""
        with contextlib.suppress(OSError):
            connection._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001 - as if the network had broken
        connection._force_close()  # noqa: SLF001 - as PyMySQL itself does
        error: Exception = self.errors.OperationalError(LOST, "Lost connection to MySQL server during query")
        return error

    # --- replacements ------------------------------------------------------------------------------------------------

    def _watch_opening(self, owner: type[Any]) -> None:
        def made(connection: Any, *args: Any, **kwargs: Any) -> None:
            self.opened(connection)
            genuine(connection, *args, **kwargs)

        genuine = self.patches.set(owner, "__init__", made)

    def _watch_files(self, owner: type[Any]) -> None:
        """LOAD DATA LOCAL is answered twice: with the wish for the file, and when its rows have got all locks."""

        def read_wish(result: Any, wish: Any) -> None:
            connection = result.connection
            session = self.sessions.get(connection)
            worker = None if session is None else session.last_worker

            def read_packet(*args: Any) -> Any:
                if session is not None and worker is not None:
                    wait_for_answer(connection._sock.fileno(), session, worker)  # noqa: SLF001 - the only way
                return self.kind._read_packet(connection, *args)  # noqa: SLF001 - likewise

            if not self.in_earnest:
                connection._read_packet = read_packet  # noqa: SLF001 - likewise
            try:
                genuine(result, wish)
            finally:
                vars(connection).pop("_read_packet", None)

        genuine = self.patches.set(owner, "_read_load_local_packet", read_wish)

    def _read_answer(self, genuine: Callable[..., Any], connection: Any, *args: Any, **kwargs: Any) -> Any:
        session = self.sessions.get(connection)
        if id(connection) in self._asked and session is not None and session.last_worker is not None:
            self._asked.discard(id(connection))
            if not self.in_earnest:
                wait_for_answer(connection._sock.fileno(), session, session.last_worker)  # noqa: SLF001 - the only way
        return genuine(connection, *args, **kwargs)


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
