"""Onlooking: what probes share that look on while a suite runs as it is: they hold up nobody, and ask no server.

Above a driver there may be a library whose own calls are seen already, or a job system that works for itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.core.address import Address
from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.ports import Pending, Worker
from jobchaos.probes.server_probe import ServerProbe
from jobchaos.probes.server_statement import COMMITTING, CONTROLLING, SILENT, UNDOING
from jobchaos.probes.sql_text import tables_of, verb_of

_DRIVERS = ("jobchaos.", "psycopg", "pymysql", "redis", "valkey", "fakeredis", "contextlib", "asyncio")
_ABOVE = (
    *("django.", "sqlalchemy.", "celery.", "kombu.", "rq.", "dramatiq.", "huey.", "arq.", "taskiq.", "taskiq_redis."),
    *("procrastinate.", "django_tasks.", "django_tasks_db.", "apscheduler."),
)
_READING = frozenset({"SELECT", "SHOW", "EXPLAIN", "VALUES", "FETCH", "DECLARE", "DESCRIBE"})


def is_called_by_a_library() -> bool:
    """True if the code that calls a driver is that of a library whose calls are none of the task's own here."""
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to look at frames
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_DRIVERS):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")).startswith(_ABOVE)


class OnlookingSession:
    """Does for one connection what `ServerSession` does in a check, as far as it is needed to look on.

    Args:
        address: The database.
    """

    gave_up = ""
    is_inherited = False

    def __init__(self, address: Address) -> None:
        self.address = address
        self.last_worker: Worker | None = None
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
        self.last_worker = worker
        verb = verb_of(sql)
        if verb in UNDOING or verb in SILENT or verb in CONTROLLING:
            return None
        if verb in COMMITTING:
            written = () if broken else tuple(self._written)
            return worker.begin(Effect("sql", "COMMIT", written, durable=True), failure) if written else None
        mode = Mode.READ if verb in _READING else Mode.WRITE
        touches = tuple(Touch(f"{self.address}/{table}", mode) for table in tables_of(sql)) or (
            Touch(str(self.address), mode),
        )
        durable = mode is Mode.WRITE and not open
        if mode is Mode.WRITE and open:
            self._written.update(dict.fromkeys(touches))
        return worker.begin(Effect("sql", shown, touches, durable), failure)

    def silence(self, worker: Worker, advice: str) -> None:
        """See `ServerSession.silence`: servers answer."""

    def applied(self, worker: Worker, sql: str, *, open: bool) -> None:  # noqa: A002
        """See `ServerSession.applied`."""
        if not open:
            self._written.clear()


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
        for connection, session in list(self.sessions.items()):
            if session.last_worker is worker and self.is_in_transaction(connection):
                self.roll_back(connection)

    def settle(self) -> None:
        """See `Probe.settle`: nothing of the suite's is touched."""

    def notes(self) -> list[str]:
        """See `Probe.notes`."""
        return []
