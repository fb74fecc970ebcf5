"""What SQLite's URIs name, compared with SQLite itself."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from jobchaos.core.sqlite_uri import file_of, is_in_memory, is_shared

MEMORY = [
    "file::memory:",
    "file::memory:?cache=shared",
    "file:a?mode=memory",
    "file:a?mode=memory&cache=shared",
    "file:",
]
FILES = [
    "file:{}/app.db",
    "file://{}/app.db",
    "file://localhost{}/app.db",
    "file:{}/a%20b.db?mode=rwc",
    "file:app.db?cache=shared",
]


def opened(uri: str) -> str:
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        path: str = db.execute("PRAGMA database_list").fetchone()[2]
        return path


@pytest.mark.parametrize("uri", MEMORY)
def test_a_database_in_memory(uri: str) -> None:
    assert is_in_memory(uri)
    assert opened(uri) == ""


@pytest.mark.parametrize("template", FILES)
def test_a_database_in_a_file(template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    uri = template.format(tmp_path)
    assert not is_in_memory(uri)
    assert os.path.realpath(file_of(uri)) == os.path.realpath(opened(uri))


@pytest.mark.parametrize("uri", MEMORY)
def test_shared_means_that_another_connection_sees_it(uri: str) -> None:
    with (
        contextlib.closing(sqlite3.connect(uri, uri=True)) as one,
        contextlib.closing(sqlite3.connect(uri, uri=True)) as other,
    ):
        one.execute("CREATE TABLE t (a)")
        assert bool(other.execute("SELECT * FROM sqlite_master").fetchall()) is is_shared(uri)


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 36), reason="this SQLite has no vfs=memdb")
def test_a_database_of_the_memory_file_system() -> None:
    uri = "file:/jobchaos-memdb?vfs=memdb"
    assert is_in_memory(uri)
    with (
        contextlib.closing(sqlite3.connect(uri, uri=True)) as one,
        contextlib.closing(sqlite3.connect(uri, uri=True)) as other,
    ):
        one.execute("CREATE TABLE t (a)")
        assert other.execute("SELECT * FROM sqlite_master").fetchall()
        assert is_shared(uri)
