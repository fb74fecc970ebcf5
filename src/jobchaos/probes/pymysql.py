"""PyMySQLProbe: every statement and commit through PyMySQL is an effect.

All connections are seen, also those that were opened before the check: the methods of `pymysql.connections.Connection`
are replaced.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from jobchaos.core.address import Address
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.isolation_gaps import Scratch
from jobchaos.probes.mysql_catalog import UNPROTECTED
from jobchaos.probes.mysql_monitor import MySQLMonitor, mysql_scratch
from jobchaos.probes.server_database import SOON
from jobchaos.probes.server_probe import ServerProbe
from jobchaos.probes.server_session import ServerSession
from jobchaos.probes.statement import first_word, label

T = TypeVar("T")
_IN_TRANSACTION, _AUTOCOMMIT = 1, 2  # pymysql.constants.SERVER_STATUS
_COMMITS_FIRST = frozenset({"ALTER", "CREATE", "DROP", "GRANT", "LOCK", "RENAME", "REVOKE", "TRUNCATE", "UNLOCK"})
"""They end an open transaction: https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/"""
_DEADLOCK, _LOCK_TIMEOUT, _INTERRUPTED = 1213, 1205, 1317
_LIMIT = re.compile(r"\binnodb_lock_wait_timeout\s*=\s*(\d+)", re.IGNORECASE)
_GET_LOCK = re.compile(
    r"(\s*SELECT\s+GET_LOCK\s*\(.*,\s*)(-?\d+(?:\.\d+)?)(\s*\)\s*(?:AS\s+\w+\s*)?;?\s*)", re.IGNORECASE
)
_IDLE = 10  # looks at a session that has nothing to do: it has been asked nothing, and a read will say why
_NO_LIMIT = "SET SESSION innodb_lock_wait_timeout = 100000"  # the server's own limit must not come first
_SECOND = 10**9


class PyMySQLProbe(ServerProbe):
    """Does nothing unless PyMySQL has been imported."""

    dialect = "mysql"

    def __init__(self) -> None:
        super().__init__()
        self._kind: Any = None
        self._asked: set[int] = set()
        self._unprotected: dict[str, dict[str, str]] = {}

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        if "pymysql" not in sys.modules:
            return
        from pymysql.connections import Connection

        self.control = control
        self._kind = Connection
        self._genuine_query = self._replace("query", self._query)
        self._replace("_read_query_result", self._read_answer)
        self._replace("_read_ok_packet", self._read_answer)
        for name in ("commit", "rollback", "begin"):
            self._replace(name, self._controlling(name.upper()))
        for name in ("close", "_force_close"):
            self._replace(name, self._close)

    def _replace(self, name: str, replacement: Callable[..., Any]) -> Callable[..., Any]:
        genuine: Callable[..., Any] = vars(self._kind)[name]

        def method(connection: Any, *args: Any, **kwargs: Any) -> Any:
            if self.control is None or self.control.current() is None or connection in self.monitors:
                return genuine(connection, *args, **kwargs)
            return replacement(genuine, connection, *args, **kwargs)

        self.patches.set(self._kind, name, method)
        return genuine

    # --- see ServerProbe ---------------------------------------------------------------------------------------------

    def address_of(self, connection: Any) -> Address:
        """See `ServerProbe.address_of`."""
        name = _text(connection.db)
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

    def number_of(self, connection: Any) -> int:
        """See `ServerProbe.number_of`."""
        return int(connection.thread_id())

    def monitor(self, address: Address) -> MySQLMonitor:
        """See `ServerProbe.monitor`."""
        return MySQLMonitor(lambda: self._ours(address, autocommit=True), self.hidden)

    def _ours(self, address: Address, **options: Any) -> Any:
        connection = self.marked_ours(self._kind(**address.access, **options, defer_connect=True))
        connection.connect()
        return connection

    def scratch(self, address: Address) -> Scratch:
        """See `ServerProbe.scratch`."""
        return mysql_scratch(lambda: self._ours(address))

    def is_in_transaction(self, connection: Any) -> bool:
        """See `ServerProbe.is_in_transaction`."""
        return bool(connection.open and connection.server_status & _IN_TRANSACTION)

    def roll_back(self, connection: Any) -> None:
        """See `ServerProbe.roll_back`."""
        connection.rollback()

    def finish(self, connection: Any) -> None:
        """See `ServerProbe.finish`."""
        connection._force_close()  # noqa: SLF001 - `close` would say goodbye, and wait

    def refusal(self, text: str) -> Exception:
        """See `ServerProbe.refusal`."""
        from pymysql.err import OperationalError

        return OperationalError(2013, text)

    # --- replacements ------------------------------------------------------------------------------------------------

    def _query(self, genuine: Callable[..., Any], connection: Any, sql: Any, unbuffered: bool = False) -> Any:
        text = sql.decode(connection.encoding, "replace") if isinstance(sql, bytes | bytearray) else sql
        lock = _GET_LOCK.fullmatch(text)
        if lock is None:
            return self._step(connection, text, lambda: genuine(connection, sql, unbuffered))
        at_once = f"{lock[1]}0{lock[3]}"
        return self._step(connection, text, lambda: self._get_lock(genuine, connection, at_once, float(lock[2])))

    def _controlling(self, text: str) -> Callable[..., Any]:
        return lambda genuine, connection: self._step(connection, text, lambda: genuine(connection))

    def _close(self, genuine: Callable[..., Any], connection: Any) -> Any:
        result = genuine(connection)
        self.closed(connection)
        return result

    def _read_answer(self, genuine: Callable[..., Any], connection: Any, *args: Any, **kwargs: Any) -> Any:
        session = self.sessions.get(connection)
        if id(connection) in self._asked and session is not None and session.last_worker is not None:
            self._asked.discard(id(connection))
            self._wait(connection, session, session.last_worker)
        return genuine(connection, *args, **kwargs)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _step(self, connection: Any, text: str, call: Callable[[], T]) -> T:
        from pymysql.err import Error

        if not connection.open:
            return call()
        found = self._found(connection)
        if found is None:
            return call()
        worker, session = found
        pending = session.arrive(
            worker,
            text,
            (),
            label(text, ()),
            open=self._will_be_open(connection, text),
            broken=False,
            failure=lambda: _lost(connection),
        )
        self._require_transactions(worker, session)
        try:
            self._asked.add(id(connection))
            result = call()
        except Error as error:
            told = _translated(session, error)
            if pending is not None:
                pending.failed(told)
            rolled_back = told.args[:1] == (_DEADLOCK,)
            session.applied(worker, text, open=self.is_in_transaction(connection) and not rolled_back)
            if told is error:
                raise
            raise told from None
        finally:
            self._asked.discard(id(connection))
        answer = _outcome(connection, text, result)
        if pending is not None:
            pending.done(answer, changed=session.changed(answer))
        session.applied(worker, text, open=self.is_in_transaction(connection), answer=answer)
        self._note_limit(connection, session, text)
        return result

    def _found(self, connection: Any) -> tuple[Worker, ServerSession] | None:
        is_new = connection not in self.sessions
        found = self.session(connection)
        if found is not None and is_new:
            self._settle_in(connection, found[1])
        return found

    def _will_be_open(self, connection: Any, text: str) -> bool:
        if first_word(text) in _COMMITS_FIRST:
            return False
        return self.is_in_transaction(connection) or not connection.server_status & _AUTOCOMMIT

    def _settle_in(self, connection: Any, session: ServerSession) -> None:
        """The session's own limit becomes ours, in virtual time."""
        self._ask(connection, session, "SELECT @@innodb_lock_wait_timeout")
        session.limits.lock = int(connection._result.rows[0][0]) * 1000  # noqa: SLF001 - where a cursor takes it from
        self._ask(connection, session, _NO_LIMIT)

    def _note_limit(self, connection: Any, session: ServerSession, text: str) -> None:
        if first_word(text) == "SET" and (limit := _LIMIT.search(text)):
            session.limits.lock = int(limit[1]) * 1000
            self._ask(connection, session, _NO_LIMIT)

    def _ask(self, connection: Any, session: ServerSession, sql: str) -> None:
        with session.database.control.hidden():
            self._genuine_query(connection, sql)

    def _require_transactions(self, worker: Worker, session: ServerSession) -> None:
        database = session.database
        if database.base not in self._unprotected:
            monitor = database.monitor
            assert isinstance(monitor, MySQLMonitor)  # noqa: S101 - we have made it
            self._unprotected[database.base] = dict(monitor.query(UNPROTECTED))
        tables = self._unprotected[database.base]
        for touch in session.touches if tables else ():
            name = touch.resource[len(database.base) + 1 :].partition("/")[0]
            if name in tables:
                text = f"uses the table {name}, whose engine {tables[name]} knows no transactions: {_WHY}"
                worker.oddity("JC919", text)

    def _get_lock(self, genuine: Callable[..., Any], connection: Any, sql: str, seconds: float) -> Any:
        """Try, and wait in the schedule, until the lock is got or virtual time is over."""
        session = self.sessions[connection]
        worker, control = session.last_worker, session.database.control
        assert worker is not None  # noqa: S101 - it has just arrived
        deadline = control.clock.now() + round(seconds * _SECOND) if seconds >= 0 else None
        while True:
            result = genuine(connection, sql)
            got = connection._result.rows != ((0,),)  # noqa: SLF001 - where a cursor takes it from
            if got or not seconds or not worker.wait(f"{session.database.base}/@advisory", deadline):
                return result

    def _wait(self, connection: Any, session: ServerSession, worker: Worker) -> None:
        poll = select.poll()
        poll.register(connection._sock.fileno(), select.POLLIN)  # noqa: SLF001 - nothing else tells it
        idle, patience = 0, session.patience
        try:
            while not poll.poll(patience) and idle < _IDLE:
                patience = SOON
                session.look_around(worker)
                idle = idle + 1 if session.is_idle else 0
        finally:
            session.answered()


_WHY = "what it does there stays when the job dies or rolls back. Use InnoDB"


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _outcome(connection: Any, text: str, result: Any) -> str:
    """What a statement has led to, for people. What the server makes of its own clock is left out."""
    told = connection._result  # noqa: SLF001 - where a cursor takes it from
    if first_word(text) in ("COMMIT", "ROLLBACK", "BEGIN") or told is None:
        return ""
    if not told.field_count:
        return f"{result} row" if result == 1 else f"{result} rows"
    rows: tuple[tuple[Any, ...], ...] = told.rows or ()
    if len(rows) != 1:
        return f"-> {len(rows)} rows" if rows else "-> no row"
    cells = [repr(cell) if isinstance(cell, int | str | None) else "..." for cell in rows[0]]
    return f"-> {cells[0]}" if len(cells) == 1 else f"-> ({', '.join(cells)})"


def _lost(connection: Any) -> Exception:
    """Break the connection, and say what PyMySQL says then."""
    from pymysql.err import OperationalError

    with contextlib.suppress(OSError):
        connection._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001 - as if the network had broken
    connection._force_close()  # noqa: SLF001 - as PyMySQL itself does
    return OperationalError(2013, "Lost connection to MySQL server during query")


def _translated(session: ServerSession, error: Any) -> Any:
    """What the server would have said itself, had it waited in earnest."""
    from pymysql.err import OperationalError

    why, session.gave_up = session.gave_up, ""
    if why == "lock timeout" and error.args[:1] == (_INTERRUPTED,):
        return OperationalError(_LOCK_TIMEOUT, "Lock wait timeout exceeded; try restarting transaction")
    return error
