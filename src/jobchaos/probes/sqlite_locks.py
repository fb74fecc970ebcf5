"""SQLiteLocks and KeptLocks: how SQLite's locks make the order of effects matter that share no row.

Many may read or one may write (https://www.sqlite.org/lockingv3.html, section 3; in WAL mode readers go on, which only
makes fewer orders matter). Two resources below the database stand for this, apart from all tables:

`@writer` is RESERVED and what excludes it. A statement that is its own transaction takes and frees its locks within its
step: two such changes follow each other either way, so each *appends*. A transaction keeps what it has taken, and so
does a query whose cursor is not exhausted: a SHARED lock blocks the COMMIT of others, and a snapshot fixes what it
reads later. These *write*, from the first statement that may take a lock; BEGIN alone takes none. A ROLLBACK is no
effect, nor is the end of a cursor: they belong to the worker's effect before them, which is under the kept lock.

`@readers` is PENDING and EXCLUSIVE: what blocks a query. BEGIN EXCLUSIVE takes it, and so does COMMIT, which may keep
it while it waits for readers. A growing transaction could spill its cache and take it earlier, so spilling is turned
off (https://www.sqlite.org/pragma.html#pragma_cache_spill).
"""

from __future__ import annotations

import re
import sqlite3
import weakref
from dataclasses import dataclass, field

from jobchaos.core.effect import Mode, Touch
from jobchaos.core.ports import Worker
from jobchaos.probes.statement import Statement

_LOCKING = re.compile(r"\s*begin\s+(immediate|exclusive)", re.IGNORECASE)
_CLINGING = re.compile(r"\s*pragma\b.*\b(locking_mode|cache_spill)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class SQLiteLocks:
    """The resources that stand for one database's locks, and how effects use them.

    Attributes:
        base: Resource path of the database.
        query: Locks of a query that is its own transaction.
        change: Locks of a change that is its own transaction.
        transaction: Locks of what goes on in a transaction.
        exclusive: The same, if it also excludes readers.
    """

    base: str
    query: tuple[Touch, ...] = field(init=False)
    change: tuple[Touch, ...] = field(init=False)
    transaction: tuple[Touch, ...] = field(init=False)
    exclusive: tuple[Touch, ...] = field(init=False)

    def __post_init__(self) -> None:
        writer, readers = f"{self.base}/@writer", f"{self.base}/@readers"
        object.__setattr__(self, "query", (Touch(readers, Mode.READ),))
        object.__setattr__(self, "change", (Touch(writer, Mode.APPEND),))
        object.__setattr__(self, "transaction", (Touch(writer, Mode.WRITE),))
        object.__setattr__(self, "exclusive", (Touch(writer, Mode.WRITE), Touch(readers, Mode.WRITE)))


class KeptLocks:
    """What one connection keeps locked from one effect to the next.

    Args:
        locks: Those of its database.
    """

    def __init__(self, locks: SQLiteLocks) -> None:
        self._locks = locks
        self._taken: list[tuple[Worker, str]] = []
        self._cursors: dict[int, tuple[Worker, weakref.ref[sqlite3.Cursor]]] = {}
        self._clings = False

    @property
    def in_transaction(self) -> bool:
        """True if the open transaction has, or may have, locked something."""
        return bool(self._taken)

    def needed_by(self, statement: Statement, sql: str, *, autocommit: bool, level: str | None) -> tuple[Touch, ...]:
        """The locks of a statement.

        Args:
            statement: What it does.
            sql: Its text.
            autocommit: Whether it is its own transaction.
            level: The connection's `isolation_level`.
        """
        if statement.verb == "BEGIN":
            begin = _LOCKING.match(sql)
            if begin is None:
                return ()
            return self._locks.exclusive if begin.group(1).upper() == "EXCLUSIVE" else self._locks.transaction
        self._clings = self._clings or (statement.verb == "PRAGMA" and _CLINGING.match(sql) is not None)
        if not statement.touches:
            return ()
        if self._clings or (not autocommit and level is not None and level.upper() == "EXCLUSIVE"):
            return self._locks.exclusive
        if not autocommit:
            return self._locks.transaction
        return self._locks.change if statement.writes else self._locks.query

    def commit(self, *, changed: bool) -> tuple[Touch, ...]:
        """The locks of a COMMIT."""
        if changed:
            return self._locks.exclusive
        return self._locks.transaction if self._taken else ()

    def keep(self, worker: Worker, touches: tuple[Touch, ...]) -> None:
        """The open transaction has taken locks."""
        for touch in touches:
            if all(resource != touch.resource for _, resource in self._taken):
                self._taken.append((worker, touch.resource))
                worker.hold(touch.resource, by_effect=True)

    def transaction_over(self) -> None:
        """Free them, unless the connection never does."""
        if not self._clings:
            for worker, resource in self._taken:
                worker.let_go(resource)
            self._taken.clear()

    def opened(self, worker: Worker, cursor: sqlite3.Cursor) -> None:
        """A cursor may not have fetched all rows: then it keeps its statement's locks."""
        key = id(cursor)
        if key not in self._cursors:
            for touch in self._locks.transaction:
                worker.hold(touch.resource, by_effect=True)
            self._cursors[key] = worker, weakref.ref(cursor, lambda _: self._exhausted(key))

    def exhausted(self, cursor: sqlite3.Cursor) -> None:
        """A cursor has fetched all rows, or was closed."""
        self._exhausted(id(cursor))

    def _exhausted(self, key: int) -> None:
        known = self._cursors.pop(key, None)
        if known is not None:
            for touch in self._locks.transaction:
                known[0].let_go(touch.resource)
