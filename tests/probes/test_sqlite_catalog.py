"""Catalog: what statements read and write, also after the schema or the file has changed."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobchaos.core.effect import Mode
from jobchaos.probes.sqlite_catalog import Catalog

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, sent); CREATE TABLE log (text);
CREATE VIEW unsent AS SELECT id FROM users WHERE NOT sent;
"""


def make(path: Path, script: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(script)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make(tmp_path / "app.db", SCHEMA)
    return tmp_path / "app.db"


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    with contextlib.closing(Catalog(str(path), False, f"sql:{path}")) as made:
        yield made


def touched(catalog: Catalog, sql: str, parameters: object = ()) -> dict[str, str]:
    touches = catalog.statement(sql, parameters).touches
    found: dict[str, str] = {}
    for touch in sorted(touches, key=lambda touch: touch.mode is Mode.WRITE):
        found[os.path.basename(touch.resource)] = touch.mode.value
    return found


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT * FROM users", {"users": "read"}),
        ("SELECT * FROM unsent", {"users": "read", "unsent": "read"}),
        ("UPDATE users SET sent = (SELECT count(*) FROM log)", {"log": "read", "users": "write"}),
        ("WITH x AS (SELECT id FROM users) INSERT INTO log SELECT id FROM x", {"users": "read", "log": "write"}),
        ("DELETE FROM log", {"log": "write"}),
        ("BEGIN", {}),
        ("COMMIT", {}),
        ("CREATE TABLE t (a)", {"app.db": "write"}),
        ("PRAGMA user_version", {"app.db": "read"}),
        ("PRAGMA user_version = 3", {"app.db": "write"}),
        ("PRAGMA foreign_keys = ON", {}),
        ("pragma main.synchronous(1)", {}),
        ("PRAGMA journal_mode = wal", {"app.db": "write"}),
        ("PRAGMA table_info(users)", {"sqlite_master": "read"}),
        ("PRAGMA main.index_list('users')", {"sqlite_master": "read"}),
        ("PRAGMA foreign_key_check(users)", {"app.db": "read"}),
        ("/* ours */ PRAGMA foreign_keys", {"app.db": "write"}),
        ("SELECT nonsense FROM nowhere", {"app.db": "read"}),
    ],
)
def test_a_statement_touches_its_tables(catalog: Catalog, sql: str, tables: dict[str, str]) -> None:
    assert touched(catalog, sql) == tables


def test_a_statement_with_values(catalog: Catalog) -> None:
    assert touched(catalog, "UPDATE users SET sent = ? WHERE id = ?", (1, 2)) == {"users": "write"}
    assert touched(catalog, "UPDATE users SET sent = :s", {"s": 1}) == {"users": "write"}


def test_a_trigger_that_is_made_later_is_seen(catalog: Catalog, path: Path) -> None:
    assert touched(catalog, "DELETE FROM users") == {"users": "write"}
    make(path, "CREATE TRIGGER t AFTER UPDATE ON users BEGIN INSERT INTO log VALUES ('sent'); END")
    assert touched(catalog, "UPDATE users SET sent = 2") == {"users": "write", "log": "write"}


def test_a_table_that_is_made_later_is_seen(catalog: Catalog, path: Path) -> None:
    touched(catalog, "DELETE FROM users")
    make(path, "CREATE TABLE later (a)")
    assert touched(catalog, "DELETE FROM later") == {"later": "write"}


def test_a_file_that_took_the_databases_place_is_asked(catalog: Catalog, path: Path) -> None:
    touched(catalog, "DELETE FROM users")
    make(path.parent / "other.db", "CREATE TABLE other (a); CREATE VIEW users AS SELECT a AS id FROM other")
    os.replace(path.parent / "other.db", path)
    assert touched(catalog, "SELECT id FROM users") == {"users": "read", "other": "read"}


def test_a_locked_database_can_be_asked_about_what_is_known(catalog: Catalog, path: Path) -> None:
    touched(catalog, "DELETE FROM users")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert touched(catalog, "UPDATE users SET sent = 3") == {"users": "write"}


def test_nothing_is_locked_by_asking(catalog: Catalog, path: Path) -> None:
    touched(catalog, "UPDATE users SET sent = 3")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as db:
        db.execute("BEGIN EXCLUSIVE")
        db.execute("COMMIT")
        assert db.execute("SELECT * FROM users").fetchall() == []


def test_foreign_keys_and_recursive_triggers_count_whatever_the_connection_says(catalog: Catalog, path: Path) -> None:
    make(path, "CREATE TABLE mails (id INTEGER PRIMARY KEY, user REFERENCES users ON DELETE CASCADE);")
    make(path, "CREATE TRIGGER t AFTER DELETE ON mails BEGIN INSERT INTO log VALUES ('gone'); END")
    everything = {"users": "write", "mails": "write", "log": "write"}
    assert touched(catalog, "DELETE FROM users WHERE id = 1") == everything
    assert touched(catalog, "REPLACE INTO mails VALUES (1, 1)") == {"users": "read", "mails": "write", "log": "write"}


def test_what_is_known_is_forgotten_when_the_schema_may_have_changed(catalog: Catalog, path: Path) -> None:
    sql = "UPDATE users SET sent = 4"
    assert touched(catalog, sql) == {"users": "write"}
    make(path, "CREATE TRIGGER t AFTER UPDATE ON users BEGIN INSERT INTO log VALUES ('sent'); END")
    catalog.expire()
    assert touched(catalog, sql) == {"users": "write", "log": "write"}


def test_a_locked_database_whose_schema_may_have_changed_is_touched_as_a_whole(catalog: Catalog, path: Path) -> None:
    sql = "UPDATE users SET sent = 5"
    touched(catalog, sql)
    catalog.expire()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert touched(catalog, sql) == {"app.db": "write"}
    assert touched(catalog, sql) == {"users": "write"}


def test_the_tables_of_a_virtual_table_are_not_told_apart(catalog: Catalog, path: Path) -> None:
    make(path, "CREATE VIRTUAL TABLE words USING fts4 (text)")
    assert touched(catalog, "INSERT INTO words VALUES ('a')")["app.db"] == "write"


def test_a_key_that_is_given_twice_names_no_row(catalog: Catalog) -> None:
    sql = "INSERT INTO users (id, rowid) VALUES (1, 1 + 1)"  # it is 2
    assert catalog.statement(sql, ()).touches_of(((),)) == catalog.statement(sql, ()).touches


def test_nothing_is_collected_while_sqlite_asks_us(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    collecting: list[bool] = []
    genuine = catalog._authorize

    def authorize(*args: Any) -> int:
        collecting.append(gc.isenabled())
        return genuine(*args)

    monkeypatch.setattr(catalog, "_authorize", authorize)
    assert touched(catalog, "SELECT sent FROM users") == {"users": "read"}
    assert collecting
    assert not any(collecting)
    assert gc.isenabled()


def test_a_database_of_the_same_schema_is_told_from_the_first(catalog: Catalog, path: Path, tmp_path: Path) -> None:
    sql = "UPDATE users SET sent = 7 WHERE id = 1"
    first = catalog.statement(sql, ())
    make(tmp_path / "second.db", SCHEMA)
    with contextlib.closing(Catalog(str(tmp_path / "second.db"), False, "sql:/second.db")) as second:
        told = second.statement(sql, ())
    assert {touch.resource for touch in told.touches} == {"sql:/second.db/users"}
    assert {touch.resource for touch in first.touches} == {f"sql:{path}/users"}
    assert {touch.resource for touch in told.touches_of([()])} == {"sql:/second.db/users/id=1"}


def test_what_failed_to_compile_is_asked_again(catalog: Catalog, path: Path) -> None:
    sql = "UPDATE users SET sent = ? WHERE id = ? AND 1"
    assert touched(catalog, sql, (1,)) == {"app.db": "write"}
    with contextlib.closing(Catalog(str(path), False, f"sql:{path}")) as next_check:
        assert touched(next_check, sql, (1, 2)) == {"users": "write"}


def test_another_process_tells_of_another_schema(catalog: Catalog, path: Path) -> None:
    sql = "UPDATE users SET sent = 8"
    assert touched(catalog, sql) == {"users": "write"}
    make(path, "CREATE TRIGGER t AFTER UPDATE ON users BEGIN INSERT INTO log VALUES ('sent'); END")
    with contextlib.closing(Catalog(str(path), False, f"sql:{path}")) as theirs:
        theirs.statement("DELETE FROM log", ())
        catalog.learn(theirs.take_news())
    assert touched(catalog, sql) == {"users": "write", "log": "write"}
