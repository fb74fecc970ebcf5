"""Further files that a statement of SQLite opens: attached databases, and what VACUUM INTO writes."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from typing import Any

from jobchaos.core.effect import Mode, Touch

_INTO = re.compile(r"VACUUM\b.*?\bINTO\b(.+?);?\s*$", re.IGNORECASE | re.DOTALL)
_NAME = 1
_PATH = 2

Query = Callable[..., sqlite3.Cursor]


def attached_files(query: Query) -> tuple[str, ...]:
    """The files of the databases that are attached to a connection.

    Args:
        query: Runs a statement on the connection.
    """
    rows = query("PRAGMA database_list").fetchall()
    return tuple(os.path.realpath(row[_PATH]) for row in rows if row[_NAME] not in ("main", "temp") and row[_PATH])


def vacuum_target(query: Query, sql: str, parameters: Any) -> str | None:
    """The database file that a VACUUM is about to write; None if it writes none."""
    match = _INTO.search(sql)
    if match is None:
        return None
    try:
        (path,) = query(f"SELECT {match.group(1)}", parameters).fetchone()
    except sqlite3.Error:  # the statement itself will say what is wrong
        return None
    return os.path.realpath(path) if isinstance(path, str) and path else None


def widened(touches: tuple[Touch, ...], attached: tuple[str, ...]) -> tuple[Touch, ...]:
    """The touches of a statement on a connection with attached databases: it may touch all of them."""
    writes = any(touch.mode is not Mode.READ for touch in touches)
    return (*touches, *(Touch(f"sql:{path}", Mode.WRITE if writes else Mode.READ) for path in attached))
