"""ServerSession: one connection of the job's to an SQL server: its transaction, its locks, its waiting."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.pending import Pending
from jobchaos.core.ports import Worker
from jobchaos.probes.abandoned import abandoned, is_leaving
from jobchaos.probes.server_database import ServerDatabase
from jobchaos.probes.server_isolation import Isolation
from jobchaos.probes.server_limits import Limits
from jobchaos.probes.server_silence import Silence, server, silence
from jobchaos.probes.server_statement import COMMITTING, CONTROLLING, SILENT, UNDOING, ServerStatement
from jobchaos.probes.stated_times import note_times, written_in

_MILLISECOND = 10**6
_ADVISORY = re.compile(
    r"\b(pg_advisory_unlock_all|pg_advisory_unlock|pg_(?:try_)?advisory_lock|release_all_locks|release_lock|get_lock)",
    re.IGNORECASE,
)
_REAL = (
    "the clock of the database server: it is real, and does not pass with virtual time, so what it decides on runs out "
    "in no schedule. Pass the moment as a parameter: datetime.now(timezone.utc)"
)
_NOTHING = ("0 rows", "-> no row")


class ServerSession:
    """What a probe keeps of one connection.

    Args:
        database: What it is connected to.
        number: The server's number of the session.
    """

    def __init__(self, database: ServerDatabase, number: int) -> None:
        self.database = database
        self.number = number
        self.last_worker: Worker | None = None
        self.is_inherited = False
        self.gave_up = ""
        """Why its statement was cancelled by us: `deadlock`, `lock timeout`, `statement timeout`."""
        self.is_idle = False
        """Whether it was seen to do nothing at the last look around."""
        defaults = database.monitor.defaults
        self.limits = Limits(defaults.lock_timeout, defaults.statement_timeout)
        self._isolation = Isolation(database.base, defaults.isolation)
        self._pending: dict[Touch, None] = {}
        self._has_changed = False
        self._kept: list[tuple[Worker, str]] = []
        self._advisory = 0
        self._others: frozenset[int] = frozenset()
        self._since = 0
        self._statement: ServerStatement | None = None
        self._is_broken = False
        self._calls: Sequence[Any] = ()
        self._touches: tuple[Touch, ...] = ()
        self._locks: tuple[Touch, ...] = ()

    @property
    def touches(self) -> tuple[Touch, ...]:
        """What its latest statement touches."""
        return self._touches

    def changed(self, answer: str) -> bool:
        """Whether its latest statement may have changed anything.

        Args:
            answer: What it has led to, for people.
        """
        statement = self._statement
        if statement is None or statement.verb in COMMITTING:
            return self._has_changed
        return not (statement.statement.is_counted and answer in _NOTHING)

    @property
    def has_uncommitted(self) -> bool:
        """True if its open transaction has changed anything."""
        return bool(self._pending) and self._has_changed

    @property
    def holds_anything(self) -> bool:
        """True if its end frees locks."""
        return bool(self._kept or self._advisory)

    def arrive(
        self,
        worker: Worker,
        sql: str,
        calls: Sequence[Any],
        shown: str,
        *,
        open: bool,  # noqa: A002 - the field's word
        broken: bool,
        failure: Callable[[], Exception],
    ) -> Pending | None:
        """Come to the step before a statement.

        Args:
            worker: Who runs it.
            sql: Its text.
            calls: Its bound values, once for each time it runs.
            shown: The text for reports.
            open: Whether a transaction is open.
            broken: Whether that has failed, so that all it can do is to end.
            failure: Breaks the connection, and makes the driver's error of that.

        Returns:
            None if it is no step: it changes nothing, or only undoes.
        """
        self.last_worker = self.database.used_by(self.number, worker)
        statement = self._statement = self.database.statement(sql)
        self._note_settings(sql, statement)
        if statement.clock:
            worker.oddity("JC719", f"decides by {statement.clock}, {_REAL}", placed=True)
        self._touches, self._locks, self._is_broken = (), (), broken
        if statement.verb in UNDOING or statement.verb in SILENT:
            self._others = self.database.waiting_besides(self.number)
            return None
        effect = self._effect(statement, calls, shown, is_open=open, is_broken=broken)
        self.database.announce(worker, effect.touches)
        pending = worker.begin(effect, failure)
        self._others = self.database.waiting_besides(self.number)
        self._since = self.database.control.clock.now()
        return pending

    def silence(self, worker: Worker, advice: str) -> Silence | None:
        """Ask whether the statement at whose step the worker stands is answered; None if so.

        Args:
            worker: Who runs it.
            advice: What to write to set a limit.
        """
        statement = self._statement
        if statement is None or self._is_broken or statement.verb in CONTROLLING | COMMITTING:
            return None
        base = self.database.base
        host, _, port = base.partition("//")[2].rpartition("/")[0].rpartition(":")
        lock = self.limits.lock if self._locks and self.limits.lock_is_first else 0
        return silence(worker, server(host, port), advice, statement=self.limits.whole, lock=(base, lock))

    def give_up_for(self, silence: Silence) -> None:
        """The server is about to be made to give up its statement: for a lock it would say so, which it cannot here."""
        self.gave_up = silence.why if silence.why == "lock timeout" else ""

    def _effect(
        self, statement: ServerStatement, calls: Sequence[Any], shown: str, *, is_open: bool, is_broken: bool
    ) -> Effect:
        if statement.verb in COMMITTING:
            touches = () if is_broken else tuple(self._pending)
            return Effect(
                "sql", shown, touches, bool(touches), None, None, self._isolation.locks(durable=bool(touches))
            )
        if statement.verb in CONTROLLING:
            return Effect("sql", shown)
        self._calls, self._touches = calls, statement.touches_of(calls)
        self.database.levels.add(self._isolation.level)
        durable = statement.writes and not is_open
        self._locks = statement.locks_of(self._touches)
        view = self._isolation.locks(durable=durable, begins=is_open and bool(self._touches))
        return Effect("sql", shown, self._touches, durable, None, None, self._locks + view)

    def applied(self, worker: Worker, sql: str, *, open: bool, answer: str = "") -> None:  # noqa: A002
        """A statement has ended, one way or the other.

        Args:
            worker: Who has run it.
            sql: Its text.
            open: Whether a transaction is open now.
            answer: What it has led to, for people.
        """
        statement = self._statement
        if statement is None:
            return
        if answer and self._touches:
            calls, changed = (*self._calls, written_in(sql)), int(answer not in _NOTHING)
            note_times(worker, self.database.control.clock, sql, calls, self._touches, changed)
        if open:
            self._has_changed = self._has_changed or (statement.writes and self.changed(answer))
            self._pending.update(dict.fromkeys(touch for touch in self._touches if touch.mode is not Mode.READ))
            self._keep(worker, [lock.resource for lock in self._locks])
        else:
            if statement.verb in UNDOING and is_leaving() and self.has_uncommitted:
                abandoned(worker, self.database.base)
            self.transaction_over()
        if statement.advisory:
            self._count_advisory(worker, sql)
        if statement.schema:
            self.database.expire()
        self.database.settle(worker, self._others)

    def transaction_over(self) -> None:
        """What it had locked is free."""
        for worker, resource in self._kept:
            worker.let_go(resource)
        self._kept.clear()
        self._note_locks()
        self._pending.clear()
        self._has_changed = False
        self._isolation.transaction_over()
        self.limits.transaction_over()

    def enter(self, database: ServerDatabase) -> None:
        """What follows is about another database of the same server."""
        self.database.note_locks(self.number, held=False)
        self.database = database
        self._isolation.enter(database.base)
        self._note_locks()

    def over(self) -> None:
        """The session has ended."""
        self._advisory = 0
        self.transaction_over()
        self.database.waiting.pop(self.number, None)

    # --- waiting -----------------------------------------------------------------------------------------------------

    def look_around(self, worker: Worker, *, alone: bool = True) -> bool:
        """No answer yet: if that is because of a lock, park until it is worth looking again.

        Args:
            worker: Who waits.
            alone: Whether nothing else goes on in the thread meanwhile.

        Returns:
            True if it waits for a session of another coroutine in the thread, and is to await `served`.
        """
        database = self.database
        state = database.monitor.look((self.number,)).get(self.number)
        self.is_idle = state is None or not state.busy
        if state is None or not state.waits_for or self.gave_up or worker.dead:
            return False
        if database.closes_circle(self.number, state.waits_for):
            self._give_up("deadlock")
            return False
        database.waiting[self.number] = worker
        if not alone and database.is_used_here(state.waits_for):
            return True
        if not worker.wait(f"a lock in {database.base}", self._deadline, served=True):
            self._give_up()
        return False

    async def served(self) -> None:
        """Wait until it is worth looking again; other coroutines go on meanwhile."""
        if not await self.database.served(self.number, self._deadline):
            self._give_up()

    @property
    def patience(self) -> int:
        """Milliseconds without an answer until it is worth looking around."""
        return self.database.patience(self.number)

    def answered(self) -> None:
        """The statement that it may have waited with has ended."""
        self.database.waiting.pop(self.number, None)

    def _give_up(self, why: str = "") -> None:
        self.gave_up = why or ("lock timeout" if self.limits.lock_is_first else "statement timeout")
        self.database.monitor.cancel(self.number)

    @property
    def _deadline(self) -> int | None:
        return self._since + self.limits.first * _MILLISECOND if self.limits.first else None

    # --- inside ------------------------------------------------------------------------------------------------------

    def _keep(self, worker: Worker, resources: Sequence[str]) -> None:
        held = {resource for _, resource in self._kept}
        for resource in resources:
            if resource not in held:
                self._kept.append((worker, resource))
                worker.hold(resource, by_effect=True)
        self._note_locks()

    def _note_locks(self) -> None:
        self.database.note_locks(self.number, held=self.holds_anything)

    def _count_advisory(self, worker: Worker, sql: str) -> None:
        resource = f"{self.database.base}/@advisory"
        for name in _ADVISORY.findall(sql):
            word = name.lower()
            before = self._advisory
            frees = "unlock" in word or word.startswith("release")
            self._advisory = 0 if "_all" in word else max(0, before - 1) if frees else before + 1
            if self._advisory and not before:
                worker.hold(resource, by_effect=True)
            if before and not self._advisory:
                worker.let_go(resource)
        self._note_locks()

    def _note_settings(self, sql: str, statement: ServerStatement) -> None:
        if "timeout" in sql or statement.verb in ("RESET", "DISCARD"):
            self.limits.read(sql)
        self._isolation.read(sql, statement.verb)
