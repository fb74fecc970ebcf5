"""Psycopg2Probe: every statement and commit through psycopg2 is an effect.

`psycopg2.connect` gives controlled workers connections of a class of ours, whose statements are steps; and psycopg2's
wait callback, which all of its waiting passes, looks from time to time at why there is no answer.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from jobchaos.core.address import Address
from jobchaos.core.pending import Pending
from jobchaos.core.ports import Worker
from jobchaos.probes.abandoned import leaves
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.isolation_gaps import Scratch
from jobchaos.probes.postgres_connecting import connect_by_psycopg2
from jobchaos.probes.postgres_monitor import PostgresMonitor, postgres_scratch
from jobchaos.probes.psycopg2_connection import BEGINNINGS, probed_connection, raw
from jobchaos.probes.server_database import SOON
from jobchaos.probes.server_probe import ServerProbe
from jobchaos.probes.server_session import ServerSession
from jobchaos.probes.server_silence import GIVE_UP
from jobchaos.probes.statement import label

T = TypeVar("T")
_poll = select.poll
_OK, _READ, _WRITE = 0, 1, 2  # psycopg2.extensions.POLL_*
_IDLE, _IN_ERROR, _UNKNOWN = 0, 3, 4  # psycopg2.extensions.TRANSACTION_STATUS_*
_ADVICE = 'statement_timeout, as in psycopg2.connect(..., options="-c statement_timeout=...") in milliseconds'
_UNSEEN = (
    "uses a psycopg2 connection that was opened before the check, or through a reference to psycopg2.connect that "
    "could not be replaced; let the job call psycopg2.connect"
)


class Psycopg2Probe(ServerProbe):
    """Does nothing unless psycopg2 has been imported.

    Args:
        bindings: Finds other names of the function.
    """

    dialect = "postgres"

    def __init__(self, bindings: Bindings) -> None:
        super().__init__()
        self._bindings = bindings

    library = "psycopg2"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        import psycopg2
        from psycopg2 import extensions

        connect = self.patches.set(psycopg2, "connect", self._connect)
        self._genuine = connect
        self._bindings.replace(connect, psycopg2.connect)
        self._watch_waits(extensions)
        pools = sys.modules.get("psycopg2.pool")
        for kind in () if pools is None else (pools.SimpleConnectionPool, pools.ThreadedConnectionPool):
            self.patches.set(kind, "putconn", leaves(vars(kind)["putconn"]))

    # --- see ServerProbe ---------------------------------------------------------------------------------------------

    def address_of(self, connection: Any) -> Address:
        """See `ServerProbe.address_of`."""
        from psycopg2.extensions import make_dsn

        info = connection.info
        secret = {"password": info.password} if info.password else {}
        dsn = make_dsn(**{**info.dsn_parameters, **secret})
        return Address(f"sql:postgresql://{info.host}:{info.port}/{info.dbname}", dsn)

    def number_of(self, connection: Any) -> int:
        """See `ServerProbe.number_of`."""
        return int(connection.info.backend_pid)

    def monitor(self, address: Address) -> PostgresMonitor:
        """See `ServerProbe.monitor`."""

        def connect() -> Any:
            connection = self.marked_ours(self._genuine(address.access, application_name="jobchaos"))
            connection.autocommit = True
            return connection

        return PostgresMonitor(connect)

    def scratch(self, address: Address) -> Scratch:
        """See `ServerProbe.scratch`."""
        return postgres_scratch(lambda: self.marked_ours(self._genuine(address.access, application_name="jobchaos")))

    def is_in_transaction(self, connection: Any) -> bool:
        """See `ServerProbe.is_in_transaction`."""
        return bool(not connection.closed and connection.info.transaction_status not in (_IDLE, _UNKNOWN))

    def roll_back(self, connection: Any) -> None:
        """See `ServerProbe.roll_back`."""
        raw("rollback")(connection)

    def finish(self, connection: Any) -> None:
        """See `ServerProbe.finish`."""
        raw("close")(connection)

    def refusal(self, text: str) -> Exception:
        """See `ServerProbe.refusal`."""
        from psycopg2 import OperationalError

        return OperationalError(text)

    # --- for our connections -----------------------------------------------------------------------------------------

    def run(self, connection: Any, text: str, call: Callable[[], T], *, outcome: Callable[[T], str]) -> T:
        """Let a statement through, as a step; before the first of a transaction psycopg2 says BEGIN itself.

        Args:
            connection: The connection.
            text: The statement, with its values in it.
            call: Runs it.
            outcome: Tells its answer, for people.
        """
        found = self.session(connection)
        if found is None:
            return call()
        if connection.info.transaction_status == _IDLE and not connection.autocommit and text != "COMMIT":
            begin = BEGINNINGS.get(connection.isolation_level, "BEGIN")
            self._step(found, connection, begin, lambda: None, lambda _: "", is_open=True)
            return self._step(found, connection, text, call, outcome, is_open=True)
        return self._step(found, connection, text, call, outcome)

    def step(self, connection: Any, text: str, call: Callable[[], T]) -> T:
        """Let COMMIT or ROLLBACK through."""
        found = self.session(connection)
        return call() if found is None else self._step(found, connection, text, call, lambda _: "")

    def _step(
        self,
        found: tuple[Worker, ServerSession],
        connection: Any,
        text: str,
        call: Callable[[], T],
        outcome: Callable[[T], str],
        *,
        is_open: bool = False,
    ) -> T:
        from psycopg2 import Error

        worker, session = found
        status = connection.info.transaction_status
        pending = session.arrive(
            worker,
            text,
            (),
            label(text, ()),
            open=status != _IDLE or is_open,
            broken=status == _IN_ERROR,
            failure=lambda: _lost(connection),
        )
        if pending is not None:
            call = _endured(worker, session, pending, connection, call)
        try:
            result = call()
        except Error as error:
            told = _translated(session, error)
            if pending is not None:
                pending.failed(told)
            session.applied(worker, text, open=self.is_in_transaction(connection))
            if told is error:
                raise
            raise told from None
        reply = "" if pending is None else outcome(result)
        if pending is not None:
            pending.done(reply, changed=session.changed(reply))
        session.applied(worker, text, open=self.is_in_transaction(connection) or text.startswith("BEGIN"), answer=reply)
        return result

    @contextlib.contextmanager
    def without_callback(self) -> Iterator[None]:
        """For what psycopg2 cannot do while it is told how to wait: COPY, or to give up connecting."""
        from psycopg2 import extensions

        callback = extensions.get_wait_callback()
        extensions.set_wait_callback(None)
        try:
            yield
        finally:
            extensions.set_wait_callback(callback)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _watch_waits(self, extensions: Any) -> None:
        before = extensions.get_wait_callback()
        extensions.set_wait_callback(self._wait)
        self.patches.on_undo(lambda: extensions.set_wait_callback(before))

    def _connect(
        self, dsn: Any = None, connection_factory: Any = None, cursor_factory: Any = None, **kwargs: Any
    ) -> Any:
        worker = None if self.control is None else self.control.current()
        if worker is None or kwargs.get("async") or kwargs.get("async_"):
            return self._genuine(dsn, connection_factory, cursor_factory, **kwargs)
        connect_by_psycopg2(worker, dsn, kwargs)
        with self.without_callback():  # libpq minds connect_timeout only if it waits by itself
            connection = self._genuine(dsn, probed_connection(connection_factory), cursor_factory, **kwargs)
        connection.probe = self
        return connection

    def _wait(self, connection: Any) -> None:
        worker = None if self.control is None else self.control.current()
        session = self.sessions.get(connection)
        unseen = session is None and connection not in self.monitors and getattr(connection, "probe", None) is None
        if worker is not None and unseen and _is_open(connection):
            worker.oddity("JC915", _UNSEEN)
        poll = _poll()
        patience = SOON if session is None else session.patience
        try:
            while (state := connection.poll()) != _OK:
                poll.register(connection.fileno(), select.POLLIN if state == _READ else select.POLLOUT)
                if not poll.poll(patience) and session is not None and worker is not None:
                    patience = SOON
                    session.look_around(worker)
        finally:
            if session is not None:
                session.answered()


_GIVEN_UP = {"deadlock": ("DeadlockDetected", "40P01"), "lock timeout": ("LockNotAvailable", "55P03")}


def _is_open(connection: Any) -> bool:
    """False while it connects."""
    return int(connection.status) != 0


def _endured(
    worker: Worker, session: ServerSession, pending: Pending, connection: Any, call: Callable[[], T]
) -> Callable[[], T]:
    """Wait for as long as the schedule lets a statement hang; return what is to be run then."""
    silence = session.silence(worker, _ADVICE)
    if silence is None:
        return call
    try:
        silence.endure(worker)
    except BaseException as error:  # death
        pending.failed(error)
        raise
    if silence.is_slow:
        return call
    session.give_up_for(silence)
    return functools.partial(raw("cursor")(connection).execute, GIVE_UP)


def _lost(connection: Any) -> Exception:
    """Break the connection, and let psycopg2 say what it says then."""
    from psycopg2 import Error, OperationalError

    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    try:
        raw("cursor")(connection).execute("SELECT 1")
    except Error as error:
        return error
    return OperationalError("server closed the connection unexpectedly")


def _translated(session: ServerSession, error: Any) -> Any:
    """What the server would have said itself, had it waited in earnest."""
    from psycopg2 import errors

    why, session.gave_up = session.gave_up, ""
    if not why or not isinstance(error, errors.QueryCanceled):
        return error
    kind, code = _GIVEN_UP.get(why, ("QueryCanceled", "57014"))
    told = getattr(errors, kind)("deadlock detected" if why == "deadlock" else f"canceling statement due to {why}")
    told.__setstate__({"pgcode": code, "pgerror": f"ERROR:  {told}\n"})
    return told
