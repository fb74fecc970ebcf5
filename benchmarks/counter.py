"""A counter that two workers fight over: the jobs that are given to jobchaos and to frontrun alike."""

from __future__ import annotations

import contextlib
import sqlite3

UPDATES = 3
ORDERS = 20
"""Of three updates each, by two workers: 6! / (3! 3!)."""


def prepare(path: str) -> None:
    """One counter, back at its start."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER)")
        db.execute("INSERT OR REPLACE INTO counter VALUES (1, 1)")


def read(path: str) -> int:
    """The counter."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        found: tuple[int] = db.execute("SELECT n FROM counter").fetchone()
        return found[0]


def lose(path: str) -> None:
    """Read, then write: two at once lose an update."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        n = db.execute("SELECT n FROM counter WHERE id = 1").fetchone()[0]
        db.execute("UPDATE counter SET n = ? WHERE id = 1", (n + 1,))


def sign(path: str, worker: int) -> None:
    """Updates after which the counter tells in which order all were made."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for _ in range(UPDATES):
            db.execute("UPDATE counter SET n = 2 * n + ? WHERE id = 1", (worker,))
