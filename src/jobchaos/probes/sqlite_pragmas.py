"""Hurry: the settings with which a controlled connection is faster, and takes its locks when it is expected to."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Callable

_connect: Callable[..., sqlite3.Connection] = sqlite3.connect  # the genuine one: while a check runs, it is replaced
_JOURNAL_FILES = ("delete", "truncate", "persist")


class Hurry:
    """Does not wait for the disk, until `end`.

    Waiting for the disk guards against power cuts, and a journal on it against death. Both take most of the time, and
    nobody dies in a thread: the rollback of a killed worker is done for it. That spilling is off is for
    `sqlite_locks.py`.

    Args:
        query: Runs a statement on the connection.
        keeps_journal: Whether the worker may really die, so that somebody else has to roll back.

    Attributes:
        is_wal: True if readers and writers do not wait for each other (https://www.sqlite.org/wal.html).
    """

    def __init__(self, query: Callable[[str], sqlite3.Cursor], *, keeps_journal: bool) -> None:
        self._query = query
        self._before: dict[str, object] = {}
        self.is_wal = False
        with contextlib.suppress(sqlite3.OperationalError):  # locked now: then this connection does wait for the disk
            (journal,) = query("PRAGMA journal_mode").fetchone()
            self.is_wal = journal == "wal"
            self._set("synchronous", "OFF", _usual("synchronous"))
            if journal in _JOURNAL_FILES and not keeps_journal:
                self._set("journal_mode", "MEMORY", journal)
            self._set("cache_spill", "OFF", _usual("cache_spill"))

    def end(self) -> None:
        """Back to the settings before."""
        for name, value in self._before.items():
            self._query(f"PRAGMA {name} = {value}")

    def _set(self, name: str, value: str, before: object) -> None:
        self._query(f"PRAGMA {name} = {value}")
        self._before[name] = before


@functools.cache
def _usual(name: str) -> object:
    """What a new connection has. To ask each one takes as long as several statements of the job."""
    with contextlib.closing(_connect(":memory:")) as new:
        (value,) = new.execute(f"PRAGMA {name}").fetchone()
        return value
