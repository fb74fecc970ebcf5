"""Onlooking: what probes share that look on while a suite runs as it is: they hold up nobody, and ask no server.

Above a driver there may be a library whose own calls are seen already, or a job system that works for itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.core.address import Address
from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.pending import Pending
from jobchaos.core.ports import Worker
from jobchaos.probes.server_probe import ServerProbe
from jobchaos.probes.server_statement import COMMITTING, CONTROLLING, SILENT, UNDOING
from jobchaos.probes.sql_text import tables_of, verb_of

_DRIVERS = ("jobchaos.", "psycopg", "pymysql", "MySQLdb", "redis", "valkey", "fakeredis", "contextlib", "asyncio")
_ABOVE = (
    *("django.", "sqlalchemy.", "celery.", "kombu.", "rq.", "dramatiq.", "huey.", "arq.", "taskiq.", "taskiq_redis."),
    *("procrastinate.", "django_tasks.", "django_tasks_db.", "apscheduler."),
)
UNCOMMITTED = "uncommitted"
"""The kind of statements in a transaction of the test's own."""
_READING = frozenset({"SELECT", "SHOW", "EXPLAIN", "VALUES", "FETCH", "DECLARE", "DESCRIBE"})


def is_called_by_a_library() -> bool:
    """True if the code that calls a driver is that of a library whose calls are none of the task's own here."""
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to look at frames
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_DRIVERS):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")).startswith(_ABOVE)


class OnlookingSession:
    """Does for one connection what `ServerSession` does in a check, as far as it is needed to look on.

    A task may run inside a transaction that the test has opened. Nobody else can look into that, so its effects are of
    a kind of their own; and what would be a transaction of the task's own is a savepoint there.

    Args:
        address: The database.
    """

    gave_up = ""
    is_inherited = False

    def __init__(self, address: Address) -> None:
        self.address = address
        self.last_worker: Worker | None = None
        self.joins = False
        """Whether the task that uses it now has found a transaction open."""
        self._depth = 0
        self._written: dict[Touch, None] = {}

    def arrive(
        self,
        worker: Worker,
        sql: str,
        calls: Sequence[Any],
        shown: str,
        *,
        open: bool,  # noqa: A002 - as in `ServerSession`
        broken: bool,
        failure: Callable[[], Exception],
    ) -> Pending | None:
        """See `ServerSession.arrive`."""
        verb = verb_of(sql)
        if self.joins:
            open = self._is_nested(verb, sql)  # noqa: A001
            if verb == "RELEASE" and not open:
                verb = "COMMIT"
        if verb in UNDOING or verb in SILENT or verb in CONTROLLING:
            return None
        kind = UNCOMMITTED if self.joins else "sql"
        if verb in COMMITTING:
            written = () if broken else tuple(self._written)
            return worker.begin(Effect(kind, "COMMIT", written, durable=True), failure) if written else None
        mode = Mode.READ if verb in _READING else Mode.WRITE
        touches = tuple(Touch(f"{self.address}/{table}", mode) for table in tables_of(sql)) or (
            Touch(str(self.address), mode),
        )
        durable = mode is Mode.WRITE and not open
        if mode is Mode.WRITE and open:
            self._written.update(dict.fromkeys(touches))
        return worker.begin(Effect(kind, shown, touches, durable), failure)

    def silence(self, worker: Worker, advice: str) -> None:
        """See `ServerSession.silence`: servers answer."""

    def changed(self, answer: str) -> bool:
        """See `ServerSession.changed`; nothing is left out because of it, so nobody asks."""
        return True

    def applied(self, worker: Worker, sql: str, *, open: bool, answer: str = "") -> None:  # noqa: A002
        """See `ServerSession.applied`; when a lease runs out matters only where time passes, and here it does not."""
        if not (self._depth if self.joins else open):
            self._written.clear()

    def used_by(self, worker: Worker, *, open: bool) -> None:  # noqa: A002
        """A task uses it, and has found a transaction open or not."""
        if self.last_worker is not worker:
            self.last_worker, self.joins, self._depth = worker, open, 0
            self._written.clear()

    def _is_nested(self, verb: str, sql: str) -> bool:
        """Whether a savepoint of the task's own is open, once a statement is done."""
        if verb == "SAVEPOINT":
            self._depth += 1
        elif verb == "RELEASE" or (verb in UNDOING and "RELEASE" in sql.upper()):
            self._depth = max(0, self._depth - 1)
        return self._depth > 0


class Onlooking(ServerProbe):
    """A probe of a driver that looks on; to be put before the driver's own probe among the bases."""

    def session(self, connection: Any) -> Any:
        """See `ServerProbe.session`."""
        control = self.control
        worker = None if control is None else control.current()
        if control is None or worker is None or is_called_by_a_library():
            return None
        session: Any = self.sessions.get(connection)
        if session is None:
            address = self.address_of(connection)
            host = str(address).partition("://")[2].rpartition("/")[0].rpartition(":")[0]
            if not host.startswith("/"):
                control.check_host(host)
            session = self.sessions[connection] = OnlookingSession(address)  # type: ignore[assignment]
        session.used_by(worker, open=self.is_in_transaction(connection))
        if not session.joins:
            worker.touch(session.address)
        return worker, session

    def closed(self, connection: Any) -> None:
        """See `ServerProbe.closed`."""
        self.sessions.pop(connection, None)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self.patches.undo()
        self.sessions.clear()
        self.control = None

    def doom(self, worker: Worker) -> None:
        """See `Probe.doom`: whoever has opened a connection in the suite goes on with it."""

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`: what a dead worker has not committed is gone."""
        sessions: Any = list(self.sessions.items())
        for connection, session in sessions:
            if session.last_worker is worker and not session.joins and self.is_in_transaction(connection):
                self.roll_back(connection)

    def settle(self) -> None:
        """See `Probe.settle`: nothing of the suite's is touched."""

    def notes(self) -> list[str]:
        """See `Probe.notes`."""
        return []
