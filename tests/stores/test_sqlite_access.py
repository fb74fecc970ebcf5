"""Databases behind links, URIs and locks; those that are not test resources; files that take another's place."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobchaos.errors import InternalError, UnsafeRestoreError, UsageError
from jobchaos.stores.sqlite import SQLiteStore
from tests.stores.conftest import make, opened, rows_of

LOCKED = "locked by a connection outside the check"
PATIENCE = 2.0  # seconds; only a test that fails takes them


def outcome(act: Callable[[], object], holder: sqlite3.Connection) -> BaseException | None:
    """What `act` raises while `holder` keeps its lock. An `act` that waits for the lock is an error."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(act)
        try:
            return future.exception(timeout=PATIENCE)
        finally:
            holder.rollback()


@contextlib.contextmanager
def kept_in_memory(name: str) -> Iterator[tuple[str, sqlite3.Connection]]:
    uri = f"file:{name}?mode=memory&cache=shared"
    with opened(uri) as keeper:
        keeper.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 0)")
        yield uri, keeper


def test_a_path_that_is_no_test_resource_is_refused_before_it_is_opened(production: Path) -> None:
    path = production / "app.db"
    make(path)
    content = path.read_bytes()
    with contextlib.closing(SQLiteStore(path)) as store, pytest.raises(UnsafeRestoreError, match=r"app\.db"):
        store.capture()
    assert path.read_bytes() == content
    assert os.listdir(production) == ["app.db"]


def test_a_database_that_is_no_test_resource_is_not_removed_either(production: Path) -> None:
    with contextlib.closing(SQLiteStore(production / "app.db")) as store, pytest.raises(UnsafeRestoreError):
        store.capture()


def test_an_allowed_path_is_restored(production: Path) -> None:
    path = production / "app.db"
    make(path)
    with contextlib.closing(SQLiteStore(path, allow=[str(production)])) as store:
        store.capture()
        make(path, "UPDATE t SET n = 1")
        store.restore()
        assert rows_of(store, "t") == {(1, 0)}


def test_a_uri_of_a_file_is_refused_like_the_file(production: Path) -> None:
    make(production / "app.db")
    store = SQLiteStore(f"file:{production / 'app.db'}?mode=rw")
    with contextlib.closing(store), pytest.raises(UnsafeRestoreError):
        store.capture()


def test_a_uri_of_a_file_covers_the_file(path: Path) -> None:
    assert SQLiteStore(f"file:{path}?mode=rw").covers(f"sql:{path}")


def test_a_database_covers_itself_and_its_tables_and_no_namesake(path: Path) -> None:
    store = SQLiteStore(path)
    assert [resource for resource in (f"sql:{path}", f"sql:{path}/t") if not store.covers(resource)] == []
    others = (f"sql:{path}2", f"sql:{path.parent}", f"file:{path}", f"sql:/x{path}")
    assert [resource for resource in others if store.covers(resource)] == []


def test_a_refused_database_survives_a_restore(production: Path) -> None:
    path = production / "app.db"
    make(path)
    with contextlib.closing(SQLiteStore(path)) as store:
        with pytest.raises(UnsafeRestoreError):
            store.capture()
        with contextlib.suppress(UsageError, InternalError):
            store.restore()
    assert path.exists()


def test_a_link_is_the_database_that_it_leads_to(path: Path) -> None:
    link = path.parent / "link.db"
    link.symlink_to(path)
    with contextlib.closing(SQLiteStore(link)) as store:
        assert store.covers(f"sql:{path}")
        store.capture()
        make(path, "UPDATE t SET n = 1")
        store.restore()
    assert link.is_symlink()
    with opened(path) as db:
        assert db.execute("SELECT n FROM t").fetchall() == [(0,)]


def test_the_name_is_the_files_unless_told(path: Path) -> None:
    assert SQLiteStore(path).name == "app.db"
    assert SQLiteStore(path, name="orders").name == "orders"
    assert SQLiteStore("file:memory-one?mode=memory&cache=shared").name == "memory-one"


@pytest.mark.parametrize("name", ["a?b.db", "a#b.db", "a%20b.db", "it's.db", 'a"b.db', "ä b.db"])
def test_names_that_a_uri_would_read_differently_are_plain_names(tmp_path: Path, name: str) -> None:
    make(tmp_path / name)
    with contextlib.closing(SQLiteStore(tmp_path / name)) as store:
        store.capture()
        make(tmp_path / name, "UPDATE t SET n = 1")
        assert rows_of(store, "t") == {(1, 1)}
        store.restore()
        assert rows_of(store, "t") == {(1, 0)}
    assert os.listdir(tmp_path) == [name]


def test_a_database_in_shared_memory_is_restored_under_its_keeper(tmp_path: Path) -> None:
    with kept_in_memory(tmp_path.name) as (uri, keeper), contextlib.closing(SQLiteStore(uri)) as store:
        store.capture()
        before = store.snapshot()
        keeper.execute("UPDATE t SET n = 1")
        keeper.execute("CREATE TABLE more (x)")
        assert rows_of(store, "t") == {(1, 1)}
        store.restore()
        assert keeper.execute("SELECT n FROM t").fetchall() == [(0,)]
        assert store.snapshot().digest == before.digest
        assert store.covers(f"sql:{uri}")


def test_shared_memory_that_a_stranger_is_writing_to_is_named(tmp_path: Path) -> None:
    with kept_in_memory(tmp_path.name) as (uri, keeper), contextlib.closing(SQLiteStore(uri)) as store:
        store.capture()
        keeper.execute("BEGIN")
        keeper.execute("UPDATE t SET n = 1")
        error = outcome(store.snapshot, keeper)
        assert isinstance(error, UsageError)
        assert LOCKED in str(error)


@pytest.mark.parametrize("act", ["capture", "snapshot"])
def test_a_database_that_a_stranger_has_locked_cannot_be_read(path: Path, act: str) -> None:
    with opened(path) as holder, contextlib.closing(SQLiteStore(path)) as store:
        holder.execute("BEGIN EXCLUSIVE")
        error = outcome(getattr(store, act), holder)
        assert isinstance(error, UsageError)
        assert str(error).startswith("app.db is locked by a connection outside the check")
        assert "Commit or close" in str(error)


def test_a_database_that_was_read_before_and_is_locked_now_is_named(path: Path) -> None:
    with opened(path) as holder, contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        store.snapshot()
        holder.execute("BEGIN EXCLUSIVE")
        assert isinstance(outcome(store.snapshot, holder), UsageError)


def test_a_store_works_as_soon_as_the_lock_is_gone(path: Path) -> None:
    with opened(path) as holder, contextlib.closing(SQLiteStore(path)) as store:
        holder.execute("BEGIN EXCLUSIVE")
        assert isinstance(outcome(store.capture, holder), UsageError)
        store.capture()
        assert rows_of(store, "t") == {(1, 0)}


def test_a_database_that_could_not_be_captured_survives_a_restore(path: Path) -> None:
    with opened(path) as holder, contextlib.closing(SQLiteStore(path)) as store:
        holder.execute("BEGIN EXCLUSIVE")
        assert isinstance(outcome(store.capture, holder), UsageError)
        with contextlib.suppress(UsageError, InternalError):
            store.restore()
        assert list(store.snapshot().tables) == ["t"]


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE"])
def test_a_stranger_that_does_not_write_hinders_no_reading(path: Path, begin: str) -> None:
    with opened(path) as holder, contextlib.closing(SQLiteStore(path)) as store:
        holder.execute(begin)
        holder.execute("SELECT * FROM t").fetchall()
        assert outcome(store.capture, holder) is None
        assert rows_of(store, "t") == {(1, 0)}


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_database_that_a_stranger_uses_cannot_be_restored(path: Path, begin: str) -> None:
    with opened(path) as holder, contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        make(path, "UPDATE t SET n = 1")
        holder.execute(begin)
        holder.execute("SELECT * FROM t").fetchall()
        error = outcome(store.restore, holder)
        assert isinstance(error, UsageError)
        assert LOCKED in str(error)
        store.restore()
        assert rows_of(store, "t") == {(1, 0)}


def test_readers_of_a_wal_database_hinder_nothing(path: Path) -> None:
    make(path, "PRAGMA journal_mode = wal")
    with opened(path) as reader, contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        make(path, "UPDATE t SET n = 1")
        reader.execute("BEGIN")
        assert reader.execute("SELECT n FROM t").fetchall() == [(1,)]
        assert outcome(store.restore, reader) is None
        assert rows_of(store, "t") == {(1, 0)}
        assert reader.execute("SELECT n FROM t").fetchall() == [(0,)]


def test_a_file_that_took_the_place_of_the_database_is_read_and_restored(path: Path) -> None:
    with contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        store.restore()
        make(path.parent / "rebuilt.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 7)")
        os.replace(path.parent / "rebuilt.db", path)
        assert rows_of(store, "t") == {(1, 7)}
        store.restore()
    with opened(path) as db:
        assert db.execute("SELECT n FROM t").fetchall() == [(0,)]


def test_a_database_that_a_job_removes_comes_back(path: Path) -> None:
    with contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        path.unlink()
        assert store.snapshot().tables == {}
        store.restore()
        assert path.exists()
        assert rows_of(store, "t") == {(1, 0)}


def test_closing_lets_go_of_everything_and_may_be_repeated(path: Path) -> None:
    make(path, "PRAGMA journal_mode = wal")
    store = SQLiteStore(path)
    store.close()
    store.capture()
    store.snapshot()
    assert len(os.listdir(path.parent)) == 3
    store.close()
    store.close()
    assert os.listdir(path.parent) == ["app.db"]
