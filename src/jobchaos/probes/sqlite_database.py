"""Database: what all connections to one SQLite database share."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from jobchaos.core.ports import Control
from jobchaos.probes.sqlite_catalog import Catalog
from jobchaos.probes.sqlite_locks import SQLiteLocks


@dataclass(frozen=True, slots=True)
class Database:
    """One database, while a check runs.

    Attributes:
        control: The running check.
        base: Resource path.
        catalog: Knows the statements.
        locks: Its locks, as resources.
    """

    control: Control
    base: str
    catalog: Catalog
    locks: SQLiteLocks


def disk_failure() -> Exception:
    """What SQLite raises when the disk fails."""
    return sqlite3.OperationalError("disk I/O error")


def is_locked(error: sqlite3.OperationalError) -> bool:
    """True if another connection has locked the database."""
    # Also 3.10, which does not tell the code. A locked *table* (shared cache) fails at once in SQLite, and here.
    return str(error) == "database is locked"
