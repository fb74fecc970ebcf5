"""PRAGMAs: Hurry, the settings with which a controlled connection is faster; and what those of the job touch."""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
from collections.abc import Callable

from jobchaos.core.effect import Mode, Touch

_connect: Callable[..., sqlite3.Connection] = sqlite3.connect  # the genuine one: while a check runs, it is replaced
_MAY_BE_PRAGMA = frozenset("pP \t\n\r")
_PUT_OFF = re.compile(r"\s*pragma\s+(busy_timeout|trusted_schema)\s*(?:=\s*|\(\s*)(\w+)", re.IGNORECASE)
_PRAGMA = re.compile(r"\s*pragma\s+(?:\w+\s*\.\s*)?(?P<name>\w+)\s*(?P<value>[=(])?", re.IGNORECASE)
_OF_CONNECTION = re.compile(
    r"""analysis_limit | automatic_index | busy_timeout | cache_size | case_sensitive_like | cell_size_check
    | checkpoint_fullfsync | count_changes | defer_foreign_keys | empty_result_callbacks | foreign_keys
    | full_column_names | fullfsync | hard_heap_limit | ignore_check_constraints | journal_size_limit
    | legacy_alter_table | mmap_size | query_only | read_uncommitted | recursive_triggers | reverse_unordered_selects
    | secure_delete | short_column_names | soft_heap_limit | synchronous | temp_store | threads | trusted_schema
    | wal_autocheckpoint | writable_schema""",
    re.VERBOSE | re.IGNORECASE,
)
"""Settings that no other connection sees, and that end with it (https://www.sqlite.org/pragma.html)."""
_OF_SCHEMA = re.compile(
    r"""collation_list | compile_options | database_list | foreign_key_list | function_list | index_info | index_list
    | index_xinfo | module_list | pragma_list | table_info | table_list | table_xinfo""",
    re.VERBOSE | re.IGNORECASE,
)
_OF_ALL = re.compile("foreign_key_check|integrity_check|quick_check", re.IGNORECASE)
_JOURNAL_FILES = ("delete", "truncate", "persist")


class Hurry:
    """Does not wait for the disk, until `end`.

    Waiting for the disk guards against power cuts, and a journal on it against death. Both take most of the time, and
    nobody dies in a thread: the rollback of a killed worker is done for it. That spilling is off is for
    `sqlite_locks.py`. Schemas are trusted: functions of ours show them virtual time.

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
            if _usual("trusted_schema") == 0:
                self._set("trusted_schema", "ON", 0)

    def put_off(self, name: str, value: object) -> None:
        """The job wants another setting: it gets it at the end."""
        self._before[name] = value

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
        row = new.execute(f"PRAGMA {name}").fetchone()
        return None if row is None else row[0]  # an old SQLite does not know them all


def setting_to_put_off(sql: str) -> tuple[str, str] | None:
    """Name and value of a setting that would be in the way of virtual time; None if a statement is none."""
    found = _PUT_OFF.match(sql) if sql[:1] in _MAY_BE_PRAGMA else None
    return None if found is None else (found[1].lower(), found[2])


def touches_of_pragma(sql: str) -> tuple[Touch, ...]:
    """What a PRAGMA reads or writes, with the database's path left out: all of it, where it is not known to be less.

    Args:
        sql: The statement.
    """
    found = _PRAGMA.match(sql)
    name = "" if found is None else found["name"]
    if _OF_CONNECTION.fullmatch(name):
        return ()
    if _OF_SCHEMA.fullmatch(name):
        return (Touch("/sqlite_master", Mode.READ),)
    reads = found is not None and (found["value"] is None or _OF_ALL.fullmatch(name))
    return (Touch("", Mode.READ if reads else Mode.WRITE),)
