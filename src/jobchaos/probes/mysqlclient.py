"""MySQLClientProbe: every statement and commit through mysqlclient (`MySQLdb`) is an effect.

mysqlclient waits in C. So a statement is sent, its answer is waited for here, and only then read; what it gives is
taken at once, and handed to the cursor when that asks. It does not say with which password a connection was opened,
nor whether a transaction is: the first is noted when it is opened, the other is told from the statements.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jobchaos.core.address import Address
from jobchaos.core.hang import Hang
from jobchaos.core.ports import Worker
from jobchaos.probes.enduring import waited
from jobchaos.probes.mysql import LOST, Answer, MySQLProbe
from jobchaos.probes.mysql_commits import DEFINING, commits_first
from jobchaos.probes.mysql_waits import wait_for_answer
from jobchaos.probes.server_session import ServerSession
from jobchaos.probes.statement import first_word

T = TypeVar("T")
_ADVICE = "MySQLdb.connect(..., connect_timeout=..., read_timeout=..., write_timeout=...)"
_UNREACHABLE, _DEADLOCK, _TIMED_OUT = 2002, 1213, 110
_POSITIONS = ("host", "user", "password", "database", "port", "unix_socket")
_ACCESS = ("user", "password", "ssl", "read_default_file", "read_default_group")
_SHORT = {"passwd": "password", "db": "database"}
_MARIADB = "3."  # versions of its library for C; MySQL's have always been others
_UNSEEN = (
    "uses a mysqlclient connection that was opened before the check, and nobody can tell with which password; let the "
    "job open its own"
)


class MySQLClientProbe(MySQLProbe):
    """Does nothing unless mysqlclient has been imported."""

    def __init__(self) -> None:
        super().__init__()
        self._given: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
        self._results: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()

    library = "MySQLdb.connections"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        if sys.modules.get("MySQLdb._mysql") is None:  # PyMySQL may go by its name
            return
        from MySQLdb.connections import Connection

        self.kind = Connection
        self.patches.set(Connection, "__init__", self._connecting(Connection.__init__))
        self.replace("autocommit", self.autocommit)
        self.replace("query", lambda genuine, connection, sql: self.query(self._asking(genuine), connection, sql))
        for name in ("commit", "rollback"):
            self.replace(name, self.controlling(name.upper()))
        for name in ("store_result", "use_result"):
            self.replace(name, self._handed_over)
        self.replace("select_db", self.select)
        self.replace("close", self.close)
        self.patches.put(Connection, "__del__", lambda connection: self._collected(connection))

    # --- see MySQLProbe ----------------------------------------------------------------------------------------------

    @property
    def errors(self) -> Any:
        """See `MySQLProbe.errors`."""
        import MySQLdb

        return MySQLdb

    def session(self, connection: Any) -> tuple[Worker, ServerSession] | None:
        """See `ServerProbe.session`."""
        worker = None if self.control is None else self.control.current()
        if worker is not None and connection not in self._given and connection not in self.monitors:
            worker.oddity("JC915", _UNSEEN)
            return None
        return super().session(connection)

    def address_of(self, connection: Any) -> Address:
        """See `ServerProbe.address_of`."""
        given = self._given[connection]
        path = given.get("unix_socket")
        if path is None and "socket" in connection.get_host_info():
            ((path,),) = self.ask(connection, "SELECT @@socket")
        ((name,),) = self.ask(connection, "SELECT DATABASE()")
        host = given.get("host") or "localhost"
        access = {
            **{key: given[key] for key in _ACCESS if key in given},
            "host": host,
            "port": connection.port,
            "database": name or "",
            "unix_socket": path,
        }
        return Address(f"sql:mysql://{host}:{connection.port}/{name or ''}", access)

    def open(self, address: Address, **options: Any) -> Any:
        """See `MySQLProbe.open`."""
        access = {name: value for name, value in address.access.items() if value is not None}
        with self.hidden():
            return self.marked_ours(self.kind(**access, **options))

    def is_in_transaction(self, connection: Any) -> bool:
        """See `ServerProbe.is_in_transaction`."""
        return bool(connection.open and connection in self._open)

    def is_autocommit(self, connection: Any) -> bool:
        """See `MySQLProbe.is_autocommit`."""
        return bool(connection.get_autocommit())

    def roll_back(self, connection: Any) -> None:
        """See `ServerProbe.roll_back`."""
        self._results.pop(connection, None)
        connection.rollback()
        self._open.discard(connection)

    def finish(self, connection: Any) -> None:
        """See `ServerProbe.finish`."""
        with contextlib.suppress(self.errors.Error):
            connection.close()

    def ask(self, connection: Any, sql: str) -> Sequence[tuple[Any, ...]]:
        """See `MySQLProbe.ask`."""
        with self.hidden():
            connection.query(sql)
            result = connection.store_result()
        rows: Sequence[tuple[Any, ...]] = () if result is None else result.fetch_row(0)
        return rows

    def answer(self, connection: Any) -> Answer | None:
        """See `MySQLProbe.answer`."""
        if not connection.field_count():
            return Answer(connection.affected_rows(), None)
        result = self._results.get(connection)
        if result is None:
            with self.hidden():
                result = self._results[connection] = connection.store_result()
        first = result.fetch_row(1)
        if result.num_rows():
            result.data_seek(0)
        return Answer(result.num_rows(), first)

    def carried_out(self, connection: Any, worker: Worker, call: Callable[[], T]) -> T:
        """See `MySQLProbe.carried_out`."""
        self._results.pop(connection, None)
        hang = functools.partial(self._silence, connection)
        return waited(worker, worker.ask(hang), call, hang)

    def lose(self, connection: Any) -> Exception:
        """See `MySQLProbe.lose`."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(self.errors.Error), self.hidden():
            connection.query("SELECT 1")  # it notices
        return self._error(LOST, "Lost connection to {} during query")

    def ended(self, connection: Any, session: ServerSession, text: str, error: Exception | None) -> None:
        """See `MySQLProbe.ended`: https://mariadb.com/kb/en/start-transaction/."""
        word, words = first_word(text), text.upper().split()
        is_over = word == "COMMIT" or (word == "ROLLBACK" and "TO" not in words) or commits_first(text)
        begins = word == "BEGIN" or words[:2] == ["START", "TRANSACTION"] or ("CHAIN" in words and "NO" not in words)
        works = session.touches and not self.is_autocommit(connection) and word not in DEFINING
        if error is not None:
            is_over, begins = error.args[:1] == (_DEADLOCK,), False
        if begins or (works and not is_over):
            self._open.add(connection)
        elif is_over:
            self._open.discard(connection)

    # --- replacements ------------------------------------------------------------------------------------------------

    def _connecting(self, genuine: Callable[..., None]) -> Callable[..., None]:
        def connect(connection: Any, *args: Any, **kwargs: Any) -> None:
            named = {**dict(zip(_POSITIONS, args, strict=False)), **kwargs}
            given = {_SHORT.get(name, name): value for name, value in named.items()}
            worker = None if self.control is None else self.control.current()
            if worker is None:
                genuine(connection, *args, **kwargs)
            else:
                hang = functools.partial(self._unreachable, given)
                waited(worker, worker.ask(hang), lambda: self._hidden(genuine, connection, *args, **kwargs), hang)
            self._given[connection] = given

        return connect

    def _hidden(self, genuine: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        with self.hidden():
            genuine(*args, **kwargs)

    def _asking(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def ask(connection: Any, sql: Any) -> None:
            session = self.sessions.get(connection)
            if self.in_earnest or session is None or session.last_worker is None:
                genuine(connection, sql)
                return
            connection.send_query(bytes(sql) if isinstance(sql, bytearray) else sql)
            wait_for_answer(connection.fileno(), session, session.last_worker)
            connection.read_query_result()

        return ask

    def _handed_over(self, genuine: Callable[..., Any], connection: Any) -> Any:
        result = self._results.pop(connection, None)
        return genuine(connection) if result is None else result

    def _collected(self, connection: Any) -> None:
        """Nobody has closed it: mysqlclient does so now, and only it knows."""
        if self.control is not None and connection in self.sessions:
            self.closed(connection)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _unreachable(self, given: dict[str, Any]) -> Hang:
        host = given.get("host") or "localhost"
        return Hang(
            _far(host, given.get("port") or 3306, given.get("unix_socket")),
            given.get("connect_timeout") or None,
            lambda: self._error(_UNREACHABLE, f"Can't connect to {{}} on '{host}' ({_TIMED_OUT})"),
            _ADVICE,
            "connection",
        )

    def _silence(self, connection: Any) -> Hang:
        given = self._given[connection]
        return Hang(
            _far(given.get("host") or "localhost", connection.port, given.get("unix_socket")),
            given.get("read_timeout") or None,
            lambda: self.lose(connection),
            _ADVICE,
        )

    def _error(self, number: int, text: str) -> Exception:
        """As the library for C words it: MariaDB's says `server` where MySQL's says `MySQL server`."""
        from MySQLdb import _mysql

        server = "server" if _mysql.get_client_info().startswith(_MARIADB) else "MySQL server"
        error: Exception = self.errors.OperationalError(number, text.format(server))
        return error


def _far(host: str, port: int, path: str | None) -> str:
    """See `Hang.far`."""
    return f"host:{path}" if path else f"host:{host}:{port}"
