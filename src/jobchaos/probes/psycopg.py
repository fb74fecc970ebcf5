"""PsycopgProbe: every statement and commit through psycopg 3, sync or async, is an effect.

All connections are seen, also those that were opened before the check: psycopg's own methods are replaced, where a
statement is sent (`BaseCursor._maybe_prepare_gen`, `BaseConnection._exec_command`) and where its answer is waited for
(`Connection.wait`, see `psycopg_waits.py`).
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

from jobchaos.core.address import Address
from jobchaos.core.ports import Worker
from jobchaos.errors import UsageError
from jobchaos.probes.isolation_gaps import Scratch
from jobchaos.probes.postgres_connecting import Connecting, awaiting_to_connect, waiting_to_connect
from jobchaos.probes.postgres_monitor import PostgresMonitor, postgres_scratch
from jobchaos.probes.psycopg_earlier import cleaned, renew, watch_use
from jobchaos.probes.psycopg_pipeline import answered, begins_open, is_open, watch_syncs
from jobchaos.probes.psycopg_silence import endured
from jobchaos.probes.psycopg_texts import answer_of, parameters_of, shown
from jobchaos.probes.psycopg_waits import awaiting, waiting
from jobchaos.probes.server_probe import ServerProbe
from jobchaos.probes.server_session import ServerSession

_monotonic = [time.monotonic]  # in a list, where freezegun does not look
_IDLE, _IN_ERROR = 0, 3  # psycopg.pq.TransactionStatus
_BAD = 1  # psycopg.pq.ConnStatus
_Gen = Generator[Any, Any, Any]


class PsycopgProbe(ServerProbe):
    """Does nothing unless psycopg has been imported."""

    dialect = "postgres"

    library = "psycopg"

    def watch(self) -> None:
        """See `LibraryProbe.watch`.

        Raises:
            UsageError: If psycopg is too old.
        """
        import psycopg

        try:
            from psycopg._connection_base import BaseConnection
            from psycopg._cursor_base import BaseCursor
            from psycopg._server_cursor_base import ServerCursorMixin
        except ImportError as error:
            raise UsageError(f"psycopg {psycopg.__version__} is too old to be watched: 3.2 or newer is") from error
        self._show_real_time()
        self._watch_commands(BaseConnection)
        self._watch_statements(BaseCursor)
        for owner, name in (
            (BaseCursor, "_start_copy_gen"),
            (BaseCursor, "_stream_send_gen"),
            (ServerCursorMixin, "_declare_gen"),
        ):
            self._watch_texts(owner, name)
        watch_syncs(self.patches, self._sync, self._is_dead)
        self._watch_waits(psycopg.Connection, psycopg.AsyncConnection)
        self._watch_close(psycopg.Connection, psycopg.AsyncConnection)
        self._watch_connect(BaseConnection)
        watch_use(self.patches, self.opened, self.prepared)

    # --- see ServerProbe ---------------------------------------------------------------------------------------------

    def address_of(self, connection: Any) -> Address:
        """See `ServerProbe.address_of`."""
        from psycopg.conninfo import make_conninfo

        info = connection.info
        secret = {"password": info.password} if info.password else {}
        return Address(f"sql:postgresql://{info.host}:{info.port}/{info.dbname}", make_conninfo(info.dsn, **secret))

    def number_of(self, connection: Any) -> int:
        """See `ServerProbe.number_of`."""
        return int(connection.info.backend_pid)

    def monitor(self, address: Address) -> PostgresMonitor:
        """See `ServerProbe.monitor`."""
        import psycopg

        def connect() -> Any:
            with self.hidden():
                return psycopg.connect(address.access, autocommit=True, application_name="jobchaos")

        return PostgresMonitor(lambda: self.marked_ours(connect()))

    def scratch(self, address: Address) -> Scratch:
        """See `ServerProbe.scratch`."""
        import psycopg

        return postgres_scratch(lambda: self.marked_ours(psycopg.connect(address.access, application_name="jobchaos")))

    def is_in_transaction(self, connection: Any) -> bool:
        """See `ServerProbe.is_in_transaction`."""
        return bool(connection.pgconn.status != _BAD and connection.pgconn.transaction_status != _IDLE)

    def roll_back(self, connection: Any) -> None:
        """See `ServerProbe.roll_back`: of a sync or an async one."""
        from psycopg.waiting import wait

        wait(connection._exec_command(b"ROLLBACK"), connection.pgconn.socket)  # noqa: SLF001

    def finish(self, connection: Any) -> None:
        """See `ServerProbe.finish`."""
        connection.pgconn.finish()

    def cleaned(self, connection: Any) -> bool:
        """See `ServerProbe.cleaned`."""
        return cleaned(connection)

    def renew(self, connection: Any, *, is_ours: bool) -> bool:
        """See `ServerProbe.renew`."""
        return renew(connection, lambda: self.address_of(connection).access, is_ours=is_ours)

    def refusal(self, text: str) -> Exception:
        """See `ServerProbe.refusal`."""
        from psycopg import OperationalError

        return OperationalError(text)

    # --- statements --------------------------------------------------------------------------------------------------

    def _show_real_time(self) -> None:
        """Whether an answer takes too long is psycopg's question, and no reason to say that the job reads the time."""
        for name, module in list(sys.modules.items()):
            if name.startswith("psycopg.") and "monotonic" in vars(module):
                self.patches.set(module, "monotonic", _monotonic[0])

    def _watch_commands(self, owner: type[Any]) -> None:
        def watched(connection: Any, command: Any, *args: Any, **kwargs: Any) -> _Gen:
            found = self.session(connection)
            text = command if found is None else _text(command, connection)
            run = _bound(original, connection, command, *args, **kwargs)
            return (yield from run() if found is None else _step(*found, connection, text, (), text, run))

        original = self.patches.set(owner, "_exec_command", watched)

    def _is_dead(self) -> bool:
        worker = self.worker()
        return worker is not None and worker.dead

    def _sync(self, connection: Any) -> _Gen:
        found = self.session(connection)
        yield from _nothing() if found is None else _step(*found, connection, "COMMIT", (), "COMMIT", _nothing)

    def _watch_statements(self, owner: type[Any]) -> None:
        def watched(cursor: Any, query: Any, **kwargs: Any) -> _Gen:
            run = _bound(original, cursor, query, **kwargs)
            connection = cursor._conn  # noqa: SLF001
            found = self.session(connection)
            if found is None:
                return (yield from run())
            text, parameters = _text(query.query, connection), parameters_of(query)
            label = shown(text, parameters)
            return (yield from _step(*found, connection, text, (parameters,), label, run, cursor))

        original = self.patches.set(owner, "_maybe_prepare_gen", watched)

    def _watch_texts(self, owner: type[Any], name: str) -> None:
        def watched(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> _Gen:
            run = _bound(original, cursor, query, *args, **kwargs)
            connection = cursor._conn  # noqa: SLF001
            found = self.session(connection)
            if found is None:
                return (yield from run())
            text = _text(query, connection)
            return (yield from _step(*found, connection, text, (), shown(text, ()), run))

        original = self.patches.set(owner, name, watched)

    def _watch_connect(self, owner: type[Any]) -> None:
        from psycopg import waiting as waits

        original: Any = vars(owner)["_connect_gen"].__func__

        def connect_gen(kind: type[Any], /, conninfo: str = "", **kwargs: Any) -> Connecting:
            return Connecting(original(kind, conninfo, **kwargs), conninfo)

        self.patches.set(owner, "_connect_gen", classmethod(connect_gen))
        for name, wait in (("wait_conn", waiting_to_connect), ("wait_conn_async", awaiting_to_connect)):
            self.patches.set(waits, name, wait(getattr(waits, name), self.worker))

    def _watch_waits(self, blocking: type[Any], awaited: type[Any]) -> None:
        for kind, wait in ((blocking, waiting), (awaited, awaiting)):
            self.patches.set(kind, "wait", wait(vars(kind)["wait"], self.session))

    def _watch_close(self, blocking: type[Any], awaited: type[Any]) -> None:
        def closed(connection: Any) -> None:
            plain(connection)
            self.closed(connection)

        async def closed_later(connection: Any) -> None:
            await coroutine(connection)
            self.closed(connection)

        plain = self.patches.set(blocking, "close", closed)
        coroutine = self.patches.set(awaited, "close", closed_later)


def _step(
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

    pgconn = connection.pgconn
    pending = session.arrive(
        worker,
        text,
        calls,
        label,
        open=begins_open(connection),
        broken=pgconn.transaction_status == _IN_ERROR,
        failure=lambda: _lost(pgconn),
    )
    if pending is not None:
        run = yield from endured(worker, session, pending, connection, run)
    try:
        result = yield from run()
        yield from answered(connection, text)
    except Error as error:
        told = _translated(session, error)
        if pending is not None:
            pending.failed(told)
        session.applied(worker, text, open=is_open(connection))
        if told is error:
            raise
        raise told from None
    answer = answer_of(cursor)
    if pending is not None:
        pending.done(answer, changed=session.changed(answer))
    session.applied(worker, text, open=is_open(connection), answer=answer)
    return result


def _nothing() -> _Gen:
    yield from ()


def _bound(original: Callable[..., _Gen], *args: Any, **kwargs: Any) -> Callable[[], _Gen]:
    return lambda: original(*args, **kwargs)


def _text(command: Any, connection: Any) -> str:
    if isinstance(command, bytes):
        return command.decode(connection.info.encoding, "replace")
    return command if isinstance(command, str) else str(command.as_string(connection))


def _lost(pgconn: Any) -> Exception:
    """Break the connection, and let libpq say what it says then."""
    from psycopg import OperationalError

    with contextlib.suppress(OSError):
        line = socket.socket(fileno=pgconn.socket)
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
