"""ServerDatabase: what all sessions of a check on one database of an SQL server share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from jobchaos.core.address import Address
from jobchaos.core.effect import Mode, Touch
from jobchaos.core.hang import SECOND
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.server_monitor import ServerMonitor
from jobchaos.probes.server_statement import ServerStatement, is_below

if TYPE_CHECKING:
    from jobchaos.probes.server_analyst import Analyst

_sleep = [time.sleep]  # the genuine one
UNKNOWN = "@unknown"
"""Stands for tables that a statement may write to, and nobody knows which."""
SOON, _LATER = 2, 20
"""Milliseconds without an answer until the server is asked why."""
_PAUSE = 0.0002  # seconds
_PATIENCE = 20_000  # pauses; then a session is just slow


class ServerDatabase:
    """One database, while a check runs.

    Args:
        control: The running check.
        address: Its resource path, and the way to it.
        dialect: sqlglot's name of its SQL.
        monitor: A connection beside the job's.
    """

    def __init__(self, control: Control, address: Address, dialect: str, monitor: ServerMonitor) -> None:
        self.control = control
        self.base = str(address)
        self._address = address
        self.monitor = monitor
        self.waiting: dict[int, Worker] = {}
        """The sessions of this process that wait for locks."""
        self.levels: set[str] = set()
        """Levels of isolation at which it was used."""
        self._users: dict[int, tuple[Worker, int]] = {}  # of each session the last, and in which thread that was
        self._wakers: dict[int, Callable[[], object]] = {}
        self._holders: set[int] = set()
        self._dialect = dialect
        self._analyst: Analyst | None = None
        self._known: dict[str, ServerStatement] = {}
        self._is_forked = False

    def statement(self, sql: str) -> ServerStatement:
        """What a statement does; each text is read once."""
        known = self._known.get(sql)
        if known is None:
            if self._analyst is None:
                from jobchaos.probes.server_analyst import Analyst

                self._analyst = Analyst(self.base, self._dialect, self.monitor.schema())
            known = self._known[sql] = self._analyst.read(sql)
        return known

    def beside(self, resource: str) -> Address:
        """Another database of the same server, of those that a connection to one can reach.

        Args:
            resource: Its resource path.
        """
        return Address(resource, {**self._address.access, "database": resource.rpartition("/")[2]})

    def announce(self, worker: Worker, touches: Iterable[Touch]) -> None:
        """Tell of what a worker is about to write to."""
        for touch in touches:
            if touch.mode is Mode.READ:
                continue
            if is_below(touch.resource, self.base):
                table = touch.resource[len(self.base) + 1 :].partition("/")[0]
                worker.touch(f"{self.base}/{table or UNKNOWN}")
            elif touch.resource.startswith("sql:"):
                worker.touch(self.beside(touch.resource))
                worker.touch(f"{touch.resource}/{UNKNOWN}")
            else:
                worker.touch(touch.resource)

    def expire(self) -> None:
        """The schema may have changed."""
        self._analyst = None
        self._known.clear()

    def after_fork(self) -> None:
        """This process runs one attempt of its own, and knows nothing of what others wait for."""
        self.monitor.abandon()
        self.waiting.clear()
        self._is_forked = True

    def waiting_besides(self, session: int) -> frozenset[int]:
        """The sessions that may be served by what another one is about to do."""
        if self._is_forked:
            return frozenset(self.monitor.waiting()) - {session}
        return frozenset(self.waiting) - {session}

    def note_locks(self, session: int, *, held: bool) -> None:
        """Whether a session holds locks that another one may wait for."""
        (self._holders.add if held else self._holders.discard)(session)

    def patience(self, session: int) -> int:
        """Milliseconds without an answer until a session may be waiting for a lock.

        If none is held by the job's other sessions, who is asked why only keeps the server from its work.
        """
        return SOON if self._is_forked or self._holders - {session} else _LATER

    def settle(self, worker: Worker, waiting: frozenset[int]) -> None:
        """Something may have been freed. See that whoever gets it has it, and is heard, before anything else happens.

        Args:
            worker: Who may have freed it.
            waiting: Who waited before.
        """
        if not waiting:
            return
        for _ in range(_PATIENCE):
            states = self.monitor.look(waiting)
            if all(not state.busy or state.waits_for for state in states.values()):
                break
            _sleep[0](_PAUSE)
        served = [number for number in waiting if number not in states or not states[number].busy]
        for number in served:
            self._wakers.get(number, _nobody)()
        if any(number not in self._users or self._users[number][0] is not worker for number in served):
            worker.give_way()

    def used_by(self, session: int, worker: Worker) -> Worker:
        """Note who uses a session, in the calling thread; return the worker."""
        self._users[session] = worker, threading.get_ident()
        return worker

    def is_used_here(self, sessions: Iterable[int]) -> bool:
        """Whether the calling thread has used any of some sessions: its event loop must not stand still for them."""
        here = threading.get_ident()
        return any(number in self._users and self._users[number][1] == here for number in sessions)

    async def served(self, session: int, deadline: int | None) -> bool:
        """Wait for what `settle` tells; other coroutines of the loop go on meanwhile.

        Args:
            session: The one that waits for a lock.
            deadline: Virtual nanoseconds at which it is given up; None if never.

        Returns:
            False when the deadline has come.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        turn = asyncio.Event()
        self._wakers[session] = lambda: loop.call_soon_threadsafe(turn.set)
        try:
            await asyncio.wait_for(
                turn.wait(), None if deadline is None else (deadline - self.control.clock.now()) / SECOND
            )
        except asyncio.TimeoutError:
            return False
        finally:
            del self._wakers[session]
        return True

    def closes_circle(self, session: int, waits_for: tuple[int, ...]) -> bool:
        """True if those whom a session waits for wait for it in turn: a deadlock."""
        waiting = self.monitor.waiting()
        seen: set[int] = set()
        following = list(waits_for)
        while following:
            number = following.pop()
            if number == session:
                return True
            if number not in seen:
                seen.add(number)
                following += waiting.get(number, ())
        return False


def _nobody() -> None:
    """No coroutine waits for this session's turn."""
