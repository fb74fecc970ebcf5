"""Database: what all connections to one SQLite database share."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from jobchaos.core.hang import SECOND, Hang
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.sharing import Sharing
from jobchaos.probes.sqlite_catalog import Catalog
from jobchaos.probes.sqlite_clock import SQLiteClock
from jobchaos.probes.sqlite_locks import SQLiteLocks

T = TypeVar("T")
_connect: Callable[..., sqlite3.Connection] = sqlite3.connect  # the genuine one: while a check runs, it is replaced


@dataclass(frozen=True, slots=True)
class Database:
    """One database, while a check runs.

    Attributes:
        control: The running check.
        base: Resource path.
        catalog: Knows the statements.
        locks: Its locks, as resources.
        sharing: Tells connections that two copies use at once; None where they may.
        levels: Levels of isolation at which transactions have used it.
        clock: Shows its connections virtual time.
        connections: Those of all workers, to it and to others.
    """

    control: Control
    base: str
    catalog: Catalog
    locks: SQLiteLocks
    sharing: Sharing | None
    levels: set[str] = field(default_factory=set)
    clock: SQLiteClock = field(default_factory=SQLiteClock)
    connections: Collection[Connected] = ()

    def worker(self, last: Worker | None, is_open: Callable[[], bool]) -> Worker | None:
        """The worker of the calling thread. One that a connection has not met yet announces what it is going to touch.

        Args:
            last: Who has used the connection before.
            is_open: Tells whether a transaction is open on it.

        Raises:
            ProgrammingError: If that is another copy's.
        """
        worker = self.control.current()
        if worker is None:
            return None
        if worker is not last:
            worker.touch(self.base)
        if self.sharing is not None and not self.sharing.may_use(worker, last, is_open):
            raise sqlite3.ProgrammingError("another copy's transaction is open on this connection")
        return worker

    @property
    def is_in_memory(self) -> bool:
        """True if it is in this process only; then a locked table is an error at once."""
        return self.base.startswith("sql:file:")

    def locked(self, timeout: float) -> Hang:
        """What becomes of a statement if others never free the locks that it needs.

        Args:
            timeout: The connection's busy timeout, in seconds.
        """
        return Hang(
            far=self.base,
            timeout=timeout,
            failure=lambda: sqlite3.OperationalError("database is locked"),
            advice="sqlite3.connect(..., timeout=...), or PRAGMA busy_timeout",
            waits_for="lock",
        )

    def patiently(self, worker: Worker, call: Callable[[], T], timeout: float | None) -> T:
        """Retry while the database is locked.

        SQLite waits for a lock only while it holds none itself: upgrading a read transaction fails at once
        (https://www.sqlite.org/c3ref/busy_handler.html).

        Args:
            worker: Who waits.
            call: What to try.
            timeout: For how many seconds; None to try it once.
        """
        deadline: int | None = None
        while True:
            try:
                return call()
            except sqlite3.OperationalError as error:
                if timeout is None or not is_locked(error):
                    raise
                if deadline is None:
                    deadline = self.control.clock.now() + round(timeout * SECOND)
                if not worker.wait(self.base, deadline):
                    raise


class Connected(Protocol):
    """A connection that a worker has opened."""

    database: Database | None
    last_worker: Worker | None
    is_inherited: bool
    is_closed: bool


def fold_log(closed: Connected) -> None:
    """Write the log of a database in WAL mode into its file.

    SQLite does so when the last connection closes, and who copies or renames the file then relies on it. But the
    connections of ours, which are still open, keep SQLite from it.

    Args:
        closed: The connection that was closed just now.
    """
    database = closed.database
    if database is None or database.is_in_memory or not _is_alive(closed):
        return
    path = database.base.removeprefix("sql:")
    if not _has_content(f"{path}-wal"):
        return
    open_ = [each for each in list(database.connections) if each.database is database and not each.is_closed]
    if any(map(_is_alive, open_)):
        return
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(_connect(path, timeout=0)) as own:
        own.execute("PRAGMA synchronous = OFF")
        own.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _has_content(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False


def _is_alive(connection: Connected) -> bool:
    """False for one that death would have closed, or that another process has opened."""
    worker = connection.last_worker
    return not connection.is_inherited and worker is not None and not worker.dead


def disk_failure() -> Exception:
    """What SQLite raises when the disk fails."""
    return sqlite3.OperationalError("disk I/O error")


def is_locked(error: sqlite3.OperationalError) -> bool:
    """True if another connection has locked the database."""
    # Also 3.10, which does not tell the code. A locked *table* (shared cache) fails at once in SQLite, and here.
    return str(error) == "database is locked"
