"""MySQLProbe: what the probes of all drivers of MariaDB and MySQL share."""

from __future__ import annotations

import abc
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from jobchaos.core.address import Address
from jobchaos.core.ports import Worker
from jobchaos.probes.isolation_gaps import Scratch
from jobchaos.probes.mysql_catalog import UNPROTECTED
from jobchaos.probes.mysql_commits import commits_first, implies_commit
from jobchaos.probes.mysql_monitor import MySQLMonitor, mysql_scratch
from jobchaos.probes.server_probe import ServerProbe
from jobchaos.probes.server_session import ServerSession
from jobchaos.probes.statement import first_word, label

T = TypeVar("T")
LOST = 2013
_DEADLOCK, _LOCK_TIMEOUT, _INTERRUPTED = 1213, 1205, 1317
_LIMIT = re.compile(r"\binnodb_lock_wait_timeout\s*=\s*(\d+)", re.IGNORECASE)
_GET_LOCK = re.compile(
    r"(\s*SELECT\s+GET_LOCK\s*\(.*,\s*)(-?\d+(?:\.\d+)?)(\s*\)\s*(?:AS\s+\w+\s*)?;?\s*)", re.IGNORECASE
)
_NO_LIMIT = "SET SESSION innodb_lock_wait_timeout = 100000"  # the server's own limit must not come first
_SECOND = 10**9
_WHY = "what it does there stays when the job dies or rolls back. Use InnoDB"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement has led to.

    Attributes:
        count: How many rows it has changed, or gives.
        rows: The first of those that it gives; None if it is not one that gives any.
    """

    count: int
    rows: Sequence[tuple[Any, ...]] | None

    def __str__(self) -> str:
        """For people. What the server makes of its own clock is left out."""
        if self.rows is None:
            return "1 row" if self.count == 1 else f"{self.count} rows"
        if self.count != 1:
            return f"-> {self.count} rows" if self.count else "-> no row"
        cells = [repr(cell) if isinstance(cell, int | str | None) else "..." for cell in self.rows[0]]
        return f"-> {cells[0]}" if len(cells) == 1 else f"-> ({', '.join(cells)})"


class MySQLProbe(ServerProbe):
    """Makes steps of statements and commits; the drivers' connections are of a class whose methods are replaced."""

    dialect = "mysql"
    in_earnest = False
    """Whether it only looks on: waits are real then, and limits stay as they are."""
    kind: Any = None
    """The driver's class of connections."""

    def __init__(self) -> None:
        super().__init__()
        self._genuine: dict[str, Callable[..., Any]] = {}
        self._unprotected: dict[str, dict[str, str]] = {}

    # --- what a driver knows -----------------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def errors(self) -> Any:
        """Where the driver's exceptions are: `Error` and `OperationalError`."""

    @abc.abstractmethod
    def open(self, address: Address, **options: Any) -> Any:
        """A connection of our own, which is `marked_ours`."""

    @abc.abstractmethod
    def is_autocommit(self, connection: Any) -> bool:
        """Whether each statement is a transaction of its own, unless one was begun."""

    @abc.abstractmethod
    def ask(self, connection: Any, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run a statement of ours on a connection of the job's; return its rows."""

    @abc.abstractmethod
    def answer(self, connection: Any) -> Answer | None:
        """What the latest statement has led to; None if the driver does not know."""

    @abc.abstractmethod
    def carried_out(self, connection: Any, worker: Worker, call: Callable[[], T]) -> T:
        """Run a statement, and wait in the schedule for its answer."""

    @abc.abstractmethod
    def lose(self, connection: Any) -> Exception:
        """Break a connection, and say what the driver says then."""

    def ended(self, connection: Any, session: ServerSession, text: str, error: Exception | None) -> None:
        """A statement has ended, for drivers that do not know whether a transaction is open."""

    # --- see ServerProbe ---------------------------------------------------------------------------------------------

    def number_of(self, connection: Any) -> int:
        """See `ServerProbe.number_of`."""
        return int(connection.thread_id())

    def monitor(self, address: Address) -> MySQLMonitor:
        """See `ServerProbe.monitor`."""
        return MySQLMonitor(lambda: self.open(address, autocommit=True), self.hidden)

    def scratch(self, address: Address) -> Scratch:
        """See `ServerProbe.scratch`."""
        return mysql_scratch(lambda: self.open(address))

    def refusal(self, text: str) -> Exception:
        """See `ServerProbe.refusal`."""
        error: Exception = self.errors.OperationalError(LOST, text)
        return error

    # --- replacements ------------------------------------------------------------------------------------------------

    def replace(self, name: str, replacement: Callable[..., Any]) -> None:
        """Replace a method for connections of controlled workers.

        Args:
            name: Its name.
            replacement: Takes the genuine one first.
        """
        genuine = self._genuine[name] = getattr(self.kind, name)

        def method(connection: Any, *args: Any, **kwargs: Any) -> Any:
            if self.control is None or self.control.current() is None or connection in self.monitors:
                return genuine(connection, *args, **kwargs)
            return replacement(genuine, connection, *args, **kwargs)

        self.patches.put(self.kind, name, method)

    def query(self, genuine: Callable[..., Any], connection: Any, sql: Any, *args: Any, **kwargs: Any) -> Any:
        """Stands in for the driver's `query`."""
        text = sql.decode(connection.encoding, "replace") if isinstance(sql, bytes | bytearray) else sql
        lock = None if self.in_earnest else _GET_LOCK.fullmatch(text)
        if lock is None:
            self._commit_first(connection, text)
            return self.step(connection, text, lambda: genuine(connection, sql, *args, **kwargs))
        at_once = f"{lock[1]}0{lock[3]}"
        return self.step(connection, text, lambda: self._get_lock(genuine, connection, at_once, float(lock[2])))

    def controlling(self, text: str) -> Callable[..., Any]:
        """What stands in for a method that does what a statement says."""

        def method(genuine: Callable[..., Any], connection: Any) -> Any:
            self._commit_first(connection, text)
            return self.step(connection, text, lambda: genuine(connection))

        return method

    def autocommit(self, genuine: Callable[..., Any], connection: Any, value: Any) -> Any:
        """Stands in for the method that sets it: an open transaction is committed then."""
        commits = value and self.is_in_transaction(connection) and not self.is_autocommit(connection)
        if not commits:
            return genuine(connection, value)
        return self.step(connection, "COMMIT", lambda: genuine(connection, value))

    def select(self, genuine: Callable[..., Any], connection: Any, name: Any) -> Any:
        """Stands in for the method that goes to another database."""
        return self.step(connection, f"USE `{name}`", lambda: genuine(connection, name))

    def close(self, genuine: Callable[..., Any], connection: Any) -> Any:
        """Stands in for what closes a connection."""
        result = genuine(connection)
        self.closed(connection)
        return result

    # --- inside ------------------------------------------------------------------------------------------------------

    def _commit_first(self, connection: Any, text: str) -> None:
        """What a statement commits before it does anything else, we commit, so that this is seen and can be met."""
        implies = implies_commit(text, is_autocommit=self.is_autocommit(connection))
        if implies and not self.in_earnest and self.is_in_transaction(connection):
            commit = functools.partial(self._genuine["commit"], connection)
            self.step(connection, "COMMIT", commit, f"COMMIT (implied by {first_word(text)})")

    def step(self, connection: Any, text: str, call: Callable[[], T], shown: str = "") -> T:
        """Let a statement through, as a step."""
        found = self._found(connection) if connection.open else None
        if found is None:
            return call()
        worker, session = found
        pending = session.arrive(
            worker,
            text,
            (),
            shown or label(text, ()),
            open=self._will_be_open(connection, text),
            broken=False,
            failure=lambda: self.lose(connection),
        )
        self._require_transactions(worker, session)
        try:
            result = self.carried_out(connection, worker, call)
        except self.errors.Error as error:
            told = self._translated(session, error)
            if pending is not None:
                pending.failed(told)
            self.ended(connection, session, text, told)
            rolled_back = told.args[:1] == (_DEADLOCK,)
            session.applied(worker, text, open=self.is_in_transaction(connection) and not rolled_back)
            if told is error:
                raise
            raise told from None
        told = None if first_word(text) in ("COMMIT", "ROLLBACK", "BEGIN", "USE") else self.answer(connection)
        answer = "" if told is None else str(told)
        if pending is not None:
            pending.done(answer, changed=session.changed(answer))
        self.ended(connection, session, text, None)
        session.applied(worker, text, open=self.is_in_transaction(connection), answer=answer)
        self._note_limit(connection, session, text)
        if first_word(text) == "USE":
            self._enter(worker, session, self.ask(connection, "SELECT DATABASE()")[0][0])
        return result

    def _found(self, connection: Any) -> tuple[Worker, ServerSession] | None:
        is_new = connection not in self.sessions
        found = self.session(connection)
        if found is not None and is_new and not self.in_earnest:
            self._settle_in(connection, *found)
        return found

    def _will_be_open(self, connection: Any, text: str) -> bool:
        if commits_first(text):
            return False
        return self.is_in_transaction(connection) or not self.is_autocommit(connection)

    def _settle_in(self, connection: Any, worker: Worker, session: ServerSession) -> None:
        """The session's own limit becomes ours, in virtual time; and it may be on another database."""
        ((seconds, name),) = self.ask(connection, "SELECT @@innodb_lock_wait_timeout, DATABASE()")
        session.limits.lock = int(seconds) * 1000
        self.ask(connection, _NO_LIMIT)
        self._enter(worker, session, name)

    def _enter(self, worker: Worker, session: ServerSession, name: str | None) -> None:
        """Learn which database a session is on now."""
        server, _, known = session.database.base.rpartition("/")
        if name is not None and name != known:
            address = session.database.beside(f"{server}/{name}")
            worker.touch(address)
            session.enter(self.database(address))

    def _note_limit(self, connection: Any, session: ServerSession, text: str) -> None:
        if not self.in_earnest and first_word(text) == "SET" and (limit := _LIMIT.search(text)):
            session.limits.lock = int(limit[1]) * 1000
            self.ask(connection, _NO_LIMIT)

    def _require_transactions(self, worker: Worker, session: ServerSession) -> None:
        if self.in_earnest:  # the state will tell
            return
        database = session.database
        if database.base not in self._unprotected:
            self._unprotected[database.base] = dict(database.monitor.query(UNPROTECTED))
        tables = self._unprotected[database.base]
        for touch in session.touches if tables else ():
            name = touch.resource.removeprefix(f"{database.base}/").partition("/")[0]
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
            told = self.answer(connection)
            got = told is None or told.rows is None or tuple(told.rows) != ((0,),)
            if got or not seconds or not worker.wait(f"{session.database.base}/@advisory", deadline):
                return result

    def _translated(self, session: ServerSession, error: Any) -> Any:
        """What the server would have said itself, had it waited in earnest."""
        why, session.gave_up = session.gave_up, ""
        if why == "lock timeout" and error.args[:1] == (_INTERRUPTED,):
            return self.errors.OperationalError(_LOCK_TIMEOUT, "Lock wait timeout exceeded; try restarting transaction")
        return error
