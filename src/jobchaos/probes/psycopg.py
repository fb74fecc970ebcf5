"""PsycopgProbe: every statement and commit through psycopg 3, sync or async, is an effect.

All connections are seen, also those that were opened before the check: psycopg's own methods are replaced, where a
statement is sent (`BaseCursor._maybe_prepare_gen`, `BaseConnection._exec_command`) and where its answer is waited for
(`Connection.wait`).
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import sys
import time
import weakref
from collections.abc import Callable, Generator
from typing import Any

from jobchaos.core.address import Address
from jobchaos.core.ports import Control, Worker
from jobchaos.errors import UsageError
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.postgres_monitor import PostgresMonitor
from jobchaos.probes.psycopg_texts import answer_of, parameters_of, shown
from jobchaos.probes.server_database import ServerDatabase
from jobchaos.probes.server_session import ServerSession

_monotonic = [time.monotonic]  # in a list, where freezegun does not look
_LOOK = 2  # milliseconds without an answer until the server is asked why
_poll = select.poll
_WAITS_FOR = {1: select.POLLIN, 2: select.POLLOUT, 3: select.POLLIN | select.POLLOUT}  # psycopg.waiting.Wait
_IDLE, _IN_ERROR = 0, 3  # psycopg.pq.TransactionStatus
_BAD = 1  # psycopg.pq.ConnStatus
_Gen = Generator[Any, Any, Any]


class PsycopgProbe(BaseProbe):
    """Does nothing unless psycopg has been imported."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._sessions: weakref.WeakKeyDictionary[Any, ServerSession] = weakref.WeakKeyDictionary()
        self._databases: dict[str, ServerDatabase] = {}
        self._ours: weakref.WeakSet[Any] = weakref.WeakSet()
        self._forked: dict[tuple[str, int], list[int]] = {}
        self._is_child = False

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        if "psycopg" not in sys.modules:
            return
        import psycopg

        try:
            from psycopg._connection_base import BaseConnection
            from psycopg._cursor_base import BaseCursor
            from psycopg._server_cursor_base import ServerCursorMixin
        except ImportError as error:
            raise UsageError(f"psycopg {psycopg.__version__} is too old to be watched: 3.2 or newer is") from error
        self._control = control
        self._show_real_time()
        self._watch_commands(BaseConnection)
        self._watch_statements(BaseCursor, "_maybe_prepare_gen")
        self._watch_texts(BaseCursor, "_start_copy_gen")
        self._watch_texts(BaseCursor, "_stream_send_gen")
        self._watch_texts(ServerCursorMixin, "_declare_gen")
        self._watch_waits(psycopg.Connection, psycopg.AsyncConnection)
        self._watch_close(psycopg.Connection, psycopg.AsyncConnection)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        for database in self._databases.values():
            database.monitor.close()
        self._databases.clear()
        self._sessions.clear()
        self._control = None

    def _show_real_time(self) -> None:
        """Whether an answer takes too long is psycopg's question, and no reason to say that the job reads the time."""
        for name, module in list(sys.modules.items()):
            if name.startswith("psycopg.") and "monotonic" in vars(module):
                self._patches.set(module, "monotonic", _monotonic[0])

    # --- life and death ----------------------------------------------------------------------------------------------

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`: the operating system would close the dead worker's connections."""
        doomed = [(conn, session) for conn, session in self._sessions.items() if session.last_worker is worker]
        self._end(doomed)

    def settle(self) -> None:
        """See `Probe.settle`: what nobody has committed by now never will be."""
        for connection, session in list(self._sessions.items()):
            if connection.pgconn.status != _BAD and connection.pgconn.transaction_status != _IDLE:
                self._roll_back(connection, session)
        for database in self._databases.values():
            database.waiting.clear()

    def after_fork(self) -> None:
        """See `Probe.after_fork`."""
        self._is_child = True
        for session in self._sessions.values():
            session.is_inherited = True
        for database in self._databases.values():
            database.after_fork()

    def hand_over(self) -> dict[tuple[str, int], tuple[str, str, list[int]]]:
        """See `Probe.hand_over`: the sessions of this process."""
        told: dict[tuple[str, int], tuple[str, str, list[int]]] = {}
        for connection, session in self._sessions.items():
            worker = session.last_worker
            if worker is not None and not session.is_inherited:
                key = worker.copy, worker.attempt
                base = session.database.base
                told.setdefault(key, (base, _dsn(connection), []))[2].append(session.number)
        return told

    def take_over(self, news: dict[tuple[str, int], tuple[str, str, list[int]]]) -> None:
        """See `Probe.take_over`."""
        for key, (base, dsn, numbers) in news.items():
            self._database(base, dsn)
            self._forked[key] = numbers

    def reaped(self, copy: str, attempt: int) -> None:
        """See `Probe.reaped`: its sessions may not have noticed yet."""
        numbers = self._forked.pop((copy, attempt), [])
        for database in self._databases.values():
            database.monitor.end(numbers)

    def _end(self, doomed: list[tuple[Any, ServerSession]]) -> None:
        by_database: dict[ServerDatabase, list[int]] = {}
        for connection, session in doomed:
            connection.pgconn.finish()
            by_database.setdefault(session.database, []).append(session.number)
            session.over()
            self._sessions.pop(connection, None)
        for database, numbers in by_database.items():
            database.monitor.end(numbers)

    def _roll_back(self, connection: Any, session: ServerSession) -> None:
        from psycopg import Error, waiting

        try:
            waiting.wait(connection._rollback_gen(), connection.pgconn.socket)  # noqa: SLF001 - of sync and async ones
        except Error:
            self._end([(connection, session)])
        session.transaction_over()

    # --- sessions ----------------------------------------------------------------------------------------------------

    def _session(self, connection: Any) -> tuple[Worker, ServerSession] | None:
        """The controlled worker that uses a connection, and the session; None if this is none of ours."""
        control = self._control
        worker = None if control is None else control.current()
        if worker is None or connection in self._ours:
            return None
        session = self._sessions.get(connection)
        if session is None:
            info = connection.info
            base = f"sql:postgresql://{info.host}:{info.port}/{info.dbname}"
            dsn = _dsn(connection)
            worker.touch(Address(base, dsn))
            session = ServerSession(self._database(base, dsn), info.backend_pid)
            self._sessions[connection] = session
        if session.is_inherited:
            from psycopg import OperationalError

            worker.oddity("JC912", "uses a connection that was opened in another process; let it open its own")
            raise OperationalError("this connection was opened in another process")
        return worker, session

    def _database(self, base: str, dsn: str) -> ServerDatabase:
        if base not in self._databases:
            assert self._control is not None  # noqa: S101 - only called while installed
            monitor = PostgresMonitor(lambda: self._connect(dsn))
            self._databases[base] = ServerDatabase(self._control, base, "postgres", monitor)
        return self._databases[base]

    def _connect(self, dsn: str) -> Any:
        import psycopg

        connection = psycopg.connect(dsn, autocommit=True, application_name="jobchaos")
        self._ours.add(connection)
        return connection

    # --- statements --------------------------------------------------------------------------------------------------

    def _watch_commands(self, owner: type[Any]) -> None:
        def watched(connection: Any, command: Any, *args: Any, **kwargs: Any) -> _Gen:
            found = self._session(connection)
            text = command if found is None else _text(command, connection)
            run = _bound(original, connection, command, *args, **kwargs)
            return (yield from run() if found is None else self._step(*found, connection, text, (), text, run))

        original = self._patches.set(owner, "_exec_command", watched)

    def _watch_statements(self, owner: type[Any], name: str) -> None:
        def watched(cursor: Any, query: Any, **kwargs: Any) -> _Gen:
            run = _bound(original, cursor, query, **kwargs)
            found = self._session(cursor._conn)  # noqa: SLF001
            if found is None:
                return (yield from run())
            text = _text(query.query, cursor._conn)  # noqa: SLF001
            parameters = parameters_of(query)
            label = shown(text, parameters)
            return (yield from self._step(*found, cursor._conn, text, (parameters,), label, run, cursor))  # noqa: SLF001

        original = self._patches.set(owner, name, watched)

    def _watch_texts(self, owner: type[Any], name: str) -> None:
        def watched(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> _Gen:
            run = _bound(original, cursor, query, *args, **kwargs)
            found = self._session(cursor._conn)  # noqa: SLF001
            if found is None:
                return (yield from run())
            text = _text(query, cursor._conn)  # noqa: SLF001
            return (yield from self._step(*found, cursor._conn, text, (), shown(text, ()), run))  # noqa: SLF001

        original = self._patches.set(owner, name, watched)

    def _step(
        self,
        worker: Worker,
        session: ServerSession,
        connection: Any,
        text: str,
        calls: tuple[Any, ...],
        label: str,
        run: Callable[[], _Gen],
        cursor: Any = None,
    ) -> _Gen:
        from psycopg import Error

        status = connection.pgconn.transaction_status
        pending = session.arrive(
            worker,
            text,
            calls,
            label,
            open=status != _IDLE,
            broken=status == _IN_ERROR,
            failure=lambda: _lost(connection),
        )
        try:
            result = yield from run()
        except Error as error:
            told = _translated(session, error)
            if pending is not None:
                pending.failed(told)
            session.applied(worker, text, open=connection.pgconn.transaction_status != _IDLE)
            if told is error:
                raise
            raise told from None
        if pending is not None:
            pending.done(answer_of(cursor))
        session.applied(worker, text, open=connection.pgconn.transaction_status != _IDLE)
        return result

    # --- waiting -----------------------------------------------------------------------------------------------------

    def _watch_waits(self, blocking: type[Any], awaiting: type[Any]) -> None:
        def waited(connection: Any, gen: Any, *args: Any, **kwargs: Any) -> Any:
            found = self._waiting(connection)
            if found is None:
                return plain(connection, gen, *args, **kwargs)
            rounds = _rounds(gen, connection, *found)
            while True:
                try:
                    next(rounds)
                except StopIteration as end:
                    return end.value

        async def awaited(connection: Any, gen: Any, *args: Any, **kwargs: Any) -> Any:
            found = self._waiting(connection)
            if found is None:
                return await coroutine(connection, gen, *args, **kwargs)
            rounds = _rounds(gen, connection, *found)
            while True:
                try:
                    next(rounds)
                except StopIteration as end:
                    return end.value
                await asyncio.sleep(0)  # another task of the same job may hold what this one waits for

        plain = self._patches.set(blocking, "wait", waited)
        coroutine = self._patches.set(awaiting, "wait", awaited)

    def _waiting(self, connection: Any) -> tuple[Worker, ServerSession] | None:
        control = self._control
        worker = None if control is None else control.current()
        if worker is None or connection in self._ours:
            return None
        return self._session(connection)

    def _watch_close(self, blocking: type[Any], awaiting: type[Any]) -> None:
        def closed(connection: Any) -> None:
            plain(connection)
            self._closed(connection)

        async def closed_later(connection: Any) -> None:
            await coroutine(connection)
            self._closed(connection)

        plain = self._patches.set(blocking, "close", closed)
        coroutine = self._patches.set(awaiting, "close", closed_later)

    def _closed(self, connection: Any) -> None:
        session = self._sessions.pop(connection, None)
        if session is None or session.is_inherited:
            return
        worker, database = session.last_worker, session.database
        others = database.waiting_besides(session.number)
        if session.holds_anything:
            database.monitor.end((session.number,))
        session.over()
        if worker is not None:
            database.settle(worker, others)


def _rounds(gen: Any, connection: Any, worker: Worker, session: ServerSession) -> Generator[None, None, Any]:
    """Run one of psycopg's generators to its end; come back from time to time while there is no answer."""
    poll = _poll()
    number = connection.pgconn.socket
    registered = 0
    try:
        wanted = next(gen)
        while True:
            events = _WAITS_FOR[int(wanted)]
            if events != registered:
                poll.register(number, events)
                registered = events
            ready = poll.poll(_LOOK)
            if ready:
                happened = ready[0][1]
                both = (1 if happened & ~select.POLLOUT else 0) | (2 if happened & select.POLLOUT else 0)
                wanted = gen.send(both)
            else:
                session.look_around(worker)
                yield
    except StopIteration as end:
        return end.value
    finally:
        session.answered()


def _bound(original: Callable[..., _Gen], *args: Any, **kwargs: Any) -> Callable[[], _Gen]:
    return lambda: original(*args, **kwargs)


def _text(command: Any, connection: Any) -> str:
    if isinstance(command, bytes):
        return command.decode(connection.info.encoding, "replace")
    return command if isinstance(command, str) else str(command.as_string(connection))


def _dsn(connection: Any) -> str:
    from psycopg.conninfo import make_conninfo

    info = connection.info
    extra = {"password": info.password} if info.password else {}
    return make_conninfo(info.dsn, **extra)


def _lost(connection: Any) -> Exception:
    """Break the connection, and let psycopg say what it says then."""
    from psycopg import OperationalError

    pgconn = connection.pgconn
    with contextlib.suppress(OSError), socket.socket(fileno=pgconn.socket) as line:
        line.shutdown(socket.SHUT_RDWR)
        line.detach()
    try:
        pgconn.consume_input()
        pgconn.consume_input()
    except OperationalError as error:
        return error
    return OperationalError("consuming input failed: server closed the connection unexpectedly")


def _translated(session: ServerSession, error: Any) -> Any:
    """What the server would have said itself, had it waited in earnest."""
    from psycopg import errors

    why, session.gave_up = session.gave_up, ""
    if not why or not isinstance(error, errors.QueryCanceled):
        return error
    if why == "deadlock":
        return errors.DeadlockDetected("deadlock detected")
    kind = errors.LockNotAvailable if why == "lock timeout" else errors.QueryCanceled
    return kind(f"canceling statement due to {why}")
