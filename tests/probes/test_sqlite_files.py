"""Which further files a statement of SQLite opens."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobchaos.core.effect import Mode, Touch
from jobchaos.probes.sqlite_files import attached_files, vacuum_target, widened


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection:
        yield connection


def test_attached_databases_are_told_by_their_files(db: sqlite3.Connection, tmp_path: Path) -> None:
    assert attached_files(db.execute) == ()
    db.execute("ATTACH ? AS other", (str(tmp_path / "other.db"),))
    db.execute("ATTACH ':memory:' AS private")
    db.execute("CREATE TEMP TABLE t (a)")
    assert attached_files(db.execute) == (str(tmp_path / "other.db"),)
    db.execute("DETACH other")
    assert attached_files(db.execute) == ()


@pytest.mark.parametrize(
    ("sql", "parameters", "path"),
    [
        ("VACUUM INTO '/tmp/copy.db'", (), "/tmp/copy.db"),
        ("vacuum main into '/tmp/it''s.db';", (), "/tmp/it's.db"),
        ("VACUUM INTO ?", ("/tmp/copy.db",), "/tmp/copy.db"),
        ("VACUUM INTO '/tmp/' || :name", {"name": "copy.db"}, "/tmp/copy.db"),
        ("VACUUM", (), None),
        ("VACUUM INTO nonsense(", (), None),
        ("VACUUM INTO NULL", (), None),
    ],
)
def test_what_a_vacuum_writes(db: sqlite3.Connection, sql: str, parameters: object, path: str | None) -> None:
    assert vacuum_target(db.execute, sql, parameters) == path


def test_a_statement_may_touch_all_that_is_attached() -> None:
    read, write = Touch("sql:/a.db/t", Mode.READ), Touch("sql:/a.db/t", Mode.WRITE)
    assert widened((read,), ("/b.db",)) == (read, Touch("sql:/b.db", Mode.READ))
    assert widened((read, write), ("/b.db", "/c.db"))[2:] == (
        Touch("sql:/b.db", Mode.WRITE),
        Touch("sql:/c.db", Mode.WRITE),
    )
