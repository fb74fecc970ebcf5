"""Images: equal bytes are the same state, whatever the counters in the header say, and nothing else is."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobchaos.core.snapshot import Snapshot, Table
from jobchaos.stores.sqlite import SQLiteStore
from jobchaos.stores.sqlite_images import Images

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 cannot serialize")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        yield connection


def test_counted_changes_are_no_change(db: sqlite3.Connection, path: Path) -> None:
    before = Images().take(db, str(path))
    db.execute("UPDATE t SET a = 2")
    assert Images().take(db, str(path)) != before
    db.execute("UPDATE t SET a = 1")
    assert Images().take(db, str(path)) == before


@pytest.mark.parametrize(
    "change", ["PRAGMA user_version = 7", "CREATE TABLE u (b)", "UPDATE t SET a = '1'", "INSERT INTO t VALUES (NULL)"]
)
def test_every_other_change_is_one(db: sqlite3.Connection, path: Path, change: str) -> None:
    before = Images().take(db, str(path))
    db.execute(change)
    assert Images().take(db, str(path)) != before


def test_a_large_database_is_not_copied(db: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobchaos.stores.sqlite_images._LARGEST", path.stat().st_size - 1)
    images = Images()
    assert images.take(db, str(path)) == b""
    images.keep(b"", Snapshot({}))
    assert images.get(b"") is None


@pytest.mark.parametrize("limit", ["_MOST", "_MOST_BYTES"])
def test_few_are_remembered(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(f"jobchaos.stores.sqlite_images.{limit}", 2)
    images = Images()
    snapshots = {bytes([number]): Snapshot({str(number): Table((), ())}) for number in range(3)}
    for image, snapshot in snapshots.items():
        images.keep(image, snapshot)
    first, _, last = snapshots.values()
    assert [images.get(image) for image in snapshots] == [first, None, last]


def test_a_store_reads_a_state_once(db: sqlite3.Connection, path: Path) -> None:
    with contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        first = store.snapshot()
        db.execute("UPDATE t SET a = 2")
        changed = store.snapshot()
        assert not changed.same_as(first)
        store.restore()
        assert store.snapshot() is first
        db.execute("UPDATE t SET a = 2")
        assert store.snapshot() is changed
