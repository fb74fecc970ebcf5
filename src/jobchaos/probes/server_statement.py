"""ServerStatement: what one statement to an SQL server does, and how the server's locks make its order matter.

Three kinds of resources below the database stand for what is no data:

`@lock/...` mirrors the tree of tables: who changes a row, or selects it FOR UPDATE, locks it until the end of the
transaction.
`@snapshot` is what a transaction sees that does not look again with each statement (REPEATABLE READ and above): its
first statement reads it, and each commit appends to it.
`@serializable` is written by all statements of serializable transactions, whose conflicts the server finds by rules of
its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobchaos.core.effect import Mode, Touch
from jobchaos.probes.statement import Statement

CONTROLLING = frozenset({"BEGIN", "START", "SAVEPOINT", "RELEASE"})
COMMITTING = frozenset({"COMMIT", "END"})
UNDOING = frozenset({"ROLLBACK", "ABORT"})
SILENT = frozenset({"SET", "SHOW", "RESET", "DISCARD", "LISTEN", "UNLISTEN", "DEALLOCATE", "CLOSE", "USE", "KILL"})
"""What changes nothing but the session: no step."""


@dataclass(frozen=True, slots=True)
class ServerStatement:
    """One kind of statement.

    Attributes:
        statement: Its verb, the data it touches, and the rows it keeps to.
        base: Resource path of the database.
        locks_rows: Whether it locks what it reads.
        advisory: Whether it takes or frees locks that the job has named itself.
        schema: Whether it may change the schema.
        locks_gaps: Whether its locks keep others from rows beside those that it touches.
        clock: The call by which it decides on the server's own time; empty if it does not.
    """

    statement: Statement
    base: str
    locks_rows: bool = False
    advisory: bool = False
    schema: bool = False
    locks_gaps: bool = False
    clock: str = ""

    @property
    def verb(self) -> str:
        """Its first keyword, in capitals."""
        return self.statement.verb

    @property
    def writes(self) -> bool:
        """True if it changes data."""
        return bool(self.statement.writes)

    def locks_of(self, touches: Sequence[Touch]) -> tuple[Touch, ...]:
        """The locks that it takes.

        Args:
            touches: What it touches with given values.
        """
        locks = [
            Touch(self._lock_of(touch), _locking(touch, self.locks_rows))
            for touch in touches
            if touch.mode is not Mode.READ or self.locks_rows or touch.resource.endswith(KEYS)
        ]
        if self.advisory:
            locks.append(Touch(f"{self.base}/@advisory", Mode.WRITE))
        return tuple(locks)

    def _lock_of(self, touch: Touch) -> str:
        if not is_below(touch.resource, self.base):
            return f"{touch.resource}/@lock"  # in another database of the server
        path = touch.resource[len(self.base) :]
        return f"{self.base}/@lock{'/'.join(path.split('/')[:2]) if self.locks_gaps else path}"

    def touches_of(self, calls: Sequence[Any]) -> tuple[Touch, ...]:
        """What it touches with given values. See `Statement.touches_of`."""
        return self.statement.touches_of(calls or ((),))


KEYS = "/@keys"
"""Ends the resource path of which keys a table has, which a foreign key depends on."""


def is_below(resource: str, base: str) -> bool:
    """True if a resource is a database or a part of it."""
    return resource == base or resource.startswith(f"{base}/")


def _locking(touch: Touch, locks_rows: bool) -> Mode:
    return Mode.READ if touch.resource.endswith(KEYS) and not locks_rows else Mode.WRITE
