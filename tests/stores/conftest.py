"""What tests of stores share: databases, a directory that is not plainly a test resource, and snapshots' rows."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobchaos.core.ports import Store
from jobchaos.core.snapshot import Row


def rows_of(store: Store, table: str) -> set[Row]:
    """The rows of one table, when their order does not matter and none occurs twice."""
    rows = store.snapshot().tables[table].rows
    assert len(set(rows)) == len(rows)
    return set(rows)


@contextlib.contextmanager
def opened(path: Path | str) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, uri=str(path).startswith("file:"))) as db:
        db.text_factory = lambda data: data.decode(errors="surrogateescape")  # SQLite takes any bytes for text
        yield db


def make(
    path: Path | str, script: str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 0)"
) -> None:
    with opened(path) as db:
        db.executescript(script)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    make(path)
    return path


@pytest.fixture
def production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that would be the user's own if only this machine had no directory for temporary files."""
    monkeypatch.setattr("jobchaos.stores.safety._temporary", lambda: ())
    directory = tmp_path / "production"
    directory.mkdir()
    return directory
