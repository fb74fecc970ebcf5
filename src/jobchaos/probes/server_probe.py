"""ServerProbe: what the probes of all drivers of SQL servers share: sessions, their life and their death."""

from __future__ import annotations

import abc
import weakref
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from jobchaos.core.address import Address
from jobchaos.core.ports import Worker
from jobchaos.probes.abandoned import abandoned
from jobchaos.probes.earlier import EarlierConnections
from jobchaos.probes.isolation_gaps import Scratch, reachable_on, told
from jobchaos.probes.library import LibraryProbe
from jobchaos.probes.server_database import ServerDatabase
from jobchaos.probes.server_monitor import ServerMonitor
from jobchaos.probes.server_session import ServerSession
from jobchaos.probes.sharing import Sharing

SPARED: weakref.WeakSet[Any] = weakref.WeakSet()
"""Connections that are none of the job's own: whoever has put them here sees to what workers do on them."""
Told = dict[tuple[str, int], list[tuple[Address, list[int]]]]
"""Copy and attempt to the databases that it is connected to, each with the numbers of its sessions."""


class ServerProbe(LibraryProbe):
    """Keeps a session for each connection of the driver's that a controlled worker uses."""

    dialect: str
    """sqlglot's name of the server's SQL."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: weakref.WeakKeyDictionary[Any, ServerSession] = weakref.WeakKeyDictionary()
        self._databases: dict[str, ServerDatabase] = {}
        self._addresses: dict[str, Address] = {}
        self.monitors: weakref.WeakSet[Any] = weakref.WeakSet()
        self._forked: Told = {}
        self._doomed: list[Any] = []
        self._sharing = Sharing()
        self._earlier = EarlierConnections()

    # --- what a driver knows -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def address_of(self, connection: Any) -> Address:
        """Which database a connection is open on, and how to get there."""

    @abc.abstractmethod
    def number_of(self, connection: Any) -> int:
        """The server's number of a connection's session."""

    @abc.abstractmethod
    def monitor(self, address: Address) -> ServerMonitor:
        """A monitor of a database. Its connections are `marked_ours`."""

    @abc.abstractmethod
    def is_in_transaction(self, connection: Any) -> bool:
        """True if a connection is open, and has a transaction open."""

    @abc.abstractmethod
    def roll_back(self, connection: Any) -> None:
        """Undo an open transaction, or raise the driver's error."""

    @abc.abstractmethod
    def finish(self, connection: Any) -> None:
        """Close a connection, whatever it is doing."""

    @abc.abstractmethod
    def refusal(self, text: str) -> Exception:
        """The driver's error of a connection that cannot be used."""

    @abc.abstractmethod
    def scratch(self, address: Address) -> Scratch:
        """Where to try what a level of isolation lets happen. Its connections are `marked_ours`."""

    def cleaned(self, connection: Any) -> bool:
        """Undo what a dead worker has left in a session from before the check; False if that cannot be done."""
        return False

    def renew(self, connection: Any, *, is_ours: bool) -> bool:
        """Open a connection from before the check anew, if it is broken, or not ours but another process's.

        Returns:
            Whether that was done.
        """
        return False

    # --- for drivers -------------------------------------------------------------------------------------------------

    def opened(self, connection: Any) -> None:
        """A connection has been opened while the check runs."""
        self._earlier.opened(connection)

    def prepared(self, connection: Any, is_taken: Callable[[], bool]) -> None:
        """A worker is about to use a connection. In a process of its own it has another one in the place of the test's.

        Args:
            connection: The one that it has found.
            is_taken: Whether somebody is in the middle of something with it.

        Raises:
            Exception: The driver's, if that is another copy.
        """
        worker, session = self.worker(), self.sessions.get(connection)
        if worker is not None and connection not in self.monitors and connection not in SPARED:
            if session is not None:
                self._require_own(worker, session, is_taken)
            self._replace(connection)

    def hidden(self) -> AbstractContextManager[None]:
        """See `Control.hidden`."""
        assert self.control is not None  # noqa: S101 - installed
        return self.control.hidden()

    def marked_ours(self, connection: Any) -> Any:
        """Mark a connection as none of the job's."""
        self.monitors.add(connection)
        return connection

    def session(self, connection: Any) -> tuple[Worker, ServerSession] | None:
        """The controlled worker that uses a connection, and the session; None if nobody is to be controlled.

        Raises:
            Exception: The driver's, if the connection was opened in another process.
        """
        worker = self.worker()
        if worker is None or connection in self.monitors or connection in SPARED:
            return None
        self._replace(connection)
        session = self.sessions.get(connection)
        if session is None:
            address = self.address_of(connection)
            if not address.endswith("/"):  # else no database is chosen yet
                worker.touch(address)
            session = ServerSession(self.database(address), self.number_of(connection))
            session.last_worker = worker
            self.sessions[connection] = session
            self._earlier.used(connection)
            if session.database.monitor.defaults.is_pooled:
                worker.oddity("JC916", _POOLED)
        if session.is_inherited:
            worker.oddity("JC912", "uses a connection that was opened in another process; let it open its own")
            raise self.refusal("this connection was opened in another process")
        self._require_own(worker, session, lambda: self.is_in_transaction(connection))
        return worker, session

    def closed(self, connection: Any) -> None:
        """The job has closed a connection: the server learns of it a little later."""
        session = self.sessions.pop(connection, None)
        if session is None or session.is_inherited:
            return
        worker, database = session.last_worker, session.database
        if worker is not None and session.has_uncommitted:
            abandoned(worker, database.base)
        others = database.waiting_besides(session.number)
        if session.holds_anything:
            database.monitor.end((session.number,))
        session.over()
        if worker is not None:
            database.settle(worker, others)

    # --- life and death ----------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """See `Probe.remove`."""
        super().remove()
        for database in self._databases.values():
            database.monitor.close()
        self._databases.clear()
        self.sessions.clear()

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        self._sharing.ended(worker)

    def doom(self, worker: Worker) -> None:
        """See `Probe.doom`: drivers complain of connections that nobody closes. The dead cannot."""
        self._doomed += [connection for connection, session in self.sessions.items() if session.last_worker is worker]

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`: the operating system would close the dead worker's connections."""
        self._end([connection for connection, session in self.sessions.items() if session.last_worker is worker])
        self._doomed.clear()

    def settle(self) -> None:
        """See `Probe.settle`: what nobody has committed by now never will be."""
        if not self._databases:  # most jobs use one driver, and all are asked
            return
        for connection, session in list(self.sessions.items()):
            if self.is_in_transaction(connection):
                if session.has_uncommitted and session.last_worker is not None:
                    abandoned(session.last_worker, session.database.base)
                try:
                    self.roll_back(connection)
                except Exception:  # noqa: BLE001 - whatever the driver raises: it cannot be used any more
                    self._end([connection])
                session.transaction_over()
        self._renew_earlier()
        for database in self._databases.values():
            database.waiting.clear()

    def notes(self) -> list[str]:
        """See `Probe.notes`: what the levels let happen at which the job has used its databases."""
        notes = []
        for base, database in self._databases.items():
            for level in sorted(database.levels):
                scratch = self.scratch(self._addresses[base])
                server, _, name = base.rpartition("/")
                try:
                    notes.append(told(name, level, reachable_on(server, scratch, level)))
                except Exception as error:  # noqa: BLE001 - the driver's: there may be no right to create a table
                    notes.append(f"{name} at {level}: what can happen there could not be tried ({error})".strip())
        return notes

    def after_fork(self) -> None:
        """See `Probe.after_fork`."""
        self._earlier.after_fork()
        for session in self.sessions.values():
            session.is_inherited = True
        for database in self._databases.values():
            database.after_fork()

    def hand_over(self) -> Told:
        """See `Probe.hand_over`: the sessions of this process."""
        numbers: dict[tuple[str, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for session in self.sessions.values():
            worker = session.last_worker
            if worker is not None and not session.is_inherited:
                numbers[worker.copy, worker.attempt][session.database.base].append(session.number)
        return {
            key: [(self._addresses[base], each) for base, each in by_base.items()] for key, by_base in numbers.items()
        }

    def take_over(self, news: Told) -> None:
        """See `Probe.take_over`."""
        self._forked.update(news)

    def reaped(self, copy: str, attempt: int) -> None:
        """See `Probe.reaped`: the server may not have noticed yet."""
        for address, numbers in self._forked.pop((copy, attempt), []):
            self.database(address).monitor.end(numbers)

    def is_inherited(self, connection: Any) -> bool:
        """True if a connection belongs to another process."""
        session = self.sessions.get(connection)
        return session is not None and session.is_inherited

    # --- inside ------------------------------------------------------------------------------------------------------

    def _require_own(self, worker: Worker, session: ServerSession, is_taken: Callable[[], bool]) -> None:
        if not self._sharing.may_use(worker, session.last_worker, is_taken):
            raise self.refusal("another copy's transaction is open on this connection")

    def database(self, address: Address) -> ServerDatabase:
        """What sessions on a database share."""
        if address not in self._databases:
            assert self.control is not None  # noqa: S101 - only called while installed
            self._addresses[address] = address
            monitor = self.monitor(address)
            self._databases[address] = ServerDatabase(self.control, address, self.dialect, monitor)
        return self._databases[address]

    def _end(self, doomed: list[Any]) -> None:
        numbers: dict[ServerDatabase, list[int]] = defaultdict(list)
        for connection in doomed:
            session = self.sessions.pop(connection)
            if connection not in self._earlier or not self.cleaned(connection):
                self.finish(connection)
                numbers[session.database].append(session.number)
            session.over()
        for database, ended in numbers.items():
            database.monitor.end(ended)
        self._renew_earlier()

    def _replace(self, connection: Any) -> None:
        if self._earlier.is_anothers(connection):
            with self.hidden():
                renewed = self.renew(connection, is_ours=False)
            if renewed:
                self.sessions.pop(connection, None)
                self._earlier.opened(connection)

    def _renew_earlier(self) -> None:
        for connection in self._earlier:
            with self.hidden():
                self.renew(connection, is_ours=True)


_POOLED = (
    "reaches its database through a connection pooler, so that nobody can tell whose session waits for whom; let tests "
    "connect to the server itself"
)
