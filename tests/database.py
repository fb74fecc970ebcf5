"""The database that whole checks in the tests work on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

Sql = Callable[..., list[tuple[Any, ...]]]


def sql_on(path: Path) -> Sql:
    """`sql(*statements)`: run each, commit each, and give the rows of the last; one connection a call."""

    def run(*statements: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            for statement in statements:
                rows = db.execute(statement).fetchall()
        return rows

    return run
