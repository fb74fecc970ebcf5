"""A database comes back exactly as it was captured, under connections that stay open, or says why it cannot."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobchaos.checking import check
from jobchaos.core.rows import near
from jobchaos.core.settings import Settings as CheckSettings
from jobchaos.stores.sqlite import SQLiteStore
from tests.stores.conftest import make, opened, rows_of

Statement = tuple[str, tuple[object, ...]]

TABLES = st.sampled_from(["t0", "t1", 't "2"'])
CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.binary(max_size=3000),
)
SHAPES = st.sampled_from(
    [
        "CREATE TABLE {0} (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b TEXT)",
        "CREATE TABLE {0} (a, b TEXT)",
        "CREATE TABLE {0} (a TEXT, b, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "CREATE TABLE {0} (id INTEGER PRIMARY KEY, a, b DEFAULT 7, c AS (a || b) STORED)",
    ]
)
CHANGES = st.sampled_from(
    [
        "CREATE INDEX ia ON {0} (a)",
        "CREATE UNIQUE INDEX ib ON {0} (b) WHERE b > 3",
        "CREATE VIEW v AS SELECT a FROM {0}",
        "CREATE TRIGGER g AFTER INSERT ON {0} BEGIN UPDATE {0} SET b = b || '!'; END",
        "DELETE FROM {0}",
        "DELETE FROM {0} WHERE a IS NULL",
        "DROP TABLE {0}",
        "DROP INDEX ia",
        "DROP VIEW v",
        "DROP TRIGGER g",
        "ALTER TABLE {0} ADD COLUMN d DEFAULT 'new'",
        "ALTER TABLE {0} RENAME TO renamed",
        "PRAGMA user_version = 12",
        "PRAGMA application_id = 34",
        "UPDATE sqlite_sequence SET seq = seq + 1000",
        "VACUUM",
        "ANALYZE",
    ]
)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _insert(table: str, a: object, b: object) -> Statement:
    return f"INSERT INTO {_quoted(table)} (a, b) VALUES (?, ?)", (a, b)


def _update(table: str, a: object) -> Statement:
    return f"UPDATE {_quoted(table)} SET a = ?", (a,)


def _about(table: str, text: str) -> Statement:
    return text.format(_quoted(table)), ()


STATEMENTS = st.one_of(
    st.builds(_insert, TABLES, CELLS, CELLS),
    st.builds(_insert, TABLES, CELLS, CELLS),
    st.builds(_update, TABLES, CELLS),
    st.builds(_about, TABLES, SHAPES),
    st.builds(_about, TABLES, CHANGES),
)
SCRIPTS = st.lists(STATEMENTS, max_size=25)


def play(db: sqlite3.Connection, script: list[Statement]) -> None:
    """Execute what can be executed."""
    for text, values in script:
        with contextlib.suppress(sqlite3.Error):
            db.execute(text, values)


def everything(db: sqlite3.Connection) -> list[object]:
    """All that a connection can tell about a database: rows with their types and rowids, schema, numbers of its own."""
    schema = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    told: list[object] = [schema, db.execute("PRAGMA user_version").fetchone()]
    told += [db.execute("PRAGMA application_id").fetchone(), db.execute("PRAGMA integrity_check").fetchall()]
    for kind, name, _, sql in schema:
        if kind == "table":
            columns = "*" if "WITHOUT ROWID" in (sql or "") else "rowid, *"
            told.append((name, list(map(repr, db.execute(f"SELECT {columns} FROM {_quoted(name)}")))))
    return told


@settings(max_examples=60, deadline=None, database=None)
@given(prepared=SCRIPTS, runs=st.lists(SCRIPTS, min_size=1, max_size=3), wal=st.booleans(), pooled=st.booleans())
def test_whatever_a_job_does_everything_comes_back(
    prepared: list[Statement], runs: list[list[Statement]], wal: bool, pooled: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory, opened(Path(directory, "a.db")) as pool:
        path = Path(directory, "a.db")
        pool.execute("PRAGMA synchronous = OFF")
        pool.execute(f"PRAGMA journal_mode = {'wal' if wal else 'delete'}")
        play(pool, [_about("t0", "CREATE TABLE {0} (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b)"), *prepared])
        before = everything(pool)
        with contextlib.closing(SQLiteStore(path)) as store:
            store.capture()
            digest = store.snapshot().digest
            for script in runs:
                with contextlib.nullcontext(pool) if pooled else opened(path) as db:
                    play(db, [*script, ("PRAGMA user_version = 99", ())])
                    assert everything(db) != before
                    store.snapshot()
                store.restore()
                assert everything(pool) == before
                assert store.snapshot().digest == digest
        with opened(path) as later:
            assert everything(later) == before


def test_a_snapshot_tells_what_has_changed(path: Path) -> None:
    with contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        before = store.snapshot()
        make(path, "UPDATE t SET n = 1")
        assert rows_of(store, "t") == {(1, 1)}
        assert store.snapshot().digest != before.digest
        store.restore()
        assert store.snapshot().same_as(before)


def test_the_version_that_an_application_has_set_is_part_of_the_state(path: Path) -> None:
    store = SQLiteStore(path)
    store.capture()
    assert store.snapshot().tables.keys() == {"t"}
    with opened(path) as db:
        db.execute("PRAGMA user_version = 7")
    assert rows_of(store, "PRAGMA user_version") == {(7,)}
    store.restore()
    assert store.snapshot().tables.keys() == {"t"}
    store.close()


def test_two_restores_in_a_row_and_a_change_between_them(path: Path) -> None:
    with contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        for value in (1, 2, 3):
            store.restore()
            store.restore()
            assert rows_of(store, "t") == {(1, 0)}
            make(path, f"UPDATE t SET n = {value}")
        store.restore()
        assert rows_of(store, "t") == {(1, 0)}


def test_capture_is_the_initial_state_and_not_the_construction(path: Path) -> None:
    with contextlib.closing(SQLiteStore(path)) as store:
        make(path, "UPDATE t SET n = 5")
        store.capture()
        make(path, "UPDATE t SET n = 6")
        store.restore()
        assert rows_of(store, "t") == {(1, 5)}


def test_a_pooled_connection_sees_the_restored_content_through_its_prepared_statements(path: Path) -> None:
    with opened(path) as pool, contextlib.closing(SQLiteStore(path)) as store:
        assert pool.execute("SELECT n FROM t").fetchall() == [(0,)]
        store.capture()
        pool.execute("DROP TABLE t")
        pool.execute("CREATE TABLE other (x)")
        store.restore()
        assert pool.execute("SELECT n FROM t").fetchall() == [(0,)]
        pool.execute("UPDATE t SET n = 8")
        assert rows_of(store, "t") == {(1, 8)}


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_journal_mode_stays_what_it_is(path: Path, mode: str) -> None:
    make(path, f"PRAGMA journal_mode = {mode}")
    with contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        make(path, "UPDATE t SET n = 5")
        store.restore()
    with opened(path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == (mode,)
        assert db.execute("SELECT n FROM t").fetchall() == [(0,)]
    assert sorted(os.listdir(path.parent)) == ["app.db"]


def test_a_database_that_does_not_exist_is_removed_again_with_its_companions(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        assert store.snapshot().tables == {}
        for _ in range(2):
            make(
                path,
                "PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 0)",
            )
            assert rows_of(store, "t") == {(1, 0)}
            store.restore()
            assert os.listdir(tmp_path) == []
            assert store.snapshot().tables == {}


def test_a_journal_that_an_open_connection_keeps_is_removed_too(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        with opened(path) as pool:
            pool.executescript("PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY, n)")
            assert len(os.listdir(tmp_path)) == 3
            store.restore()
            assert os.listdir(tmp_path) == []
        make(path)
        assert rows_of(store, "t") == {(1, 0)}


def test_text_that_is_none_is_told_as_bytes_and_the_rest_as_text(path: Path) -> None:
    make(path, "INSERT INTO t VALUES (2, CAST(x'ff' AS TEXT)), (3, 'ä'), (4, x'ff')")
    with contextlib.closing(SQLiteStore(path)) as store:
        store.capture()
        for _ in range(2):
            assert rows_of(store, "t") == {(1, 0), (2, b"\xff"), (3, "ä"), (4, b"\xff")}
        make(path, "DELETE FROM t WHERE id = 2")
        assert rows_of(store, "t") == {(1, 0), (3, "ä"), (4, b"\xff")}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE t SET a = 'new' WHERE id IN (7, 1400)",
        "UPDATE t SET a = id, b = NULL",
        "DELETE FROM t WHERE id = 300",
        "INSERT INTO t VALUES (0, 'first', 1), (1600, 'last', 1.0)",
        "UPDATE t SET b = 1.0 WHERE id = 5",
        "DELETE FROM t",
        "ALTER TABLE t RENAME COLUMN b TO c",
    ],
)
def test_of_a_large_table_what_differs_is_kept(tmp_path: Path, change: str) -> None:
    path = tmp_path / "app.db"
    with opened(path) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b)")
        db.execute("BEGIN")
        db.executemany("INSERT INTO t VALUES (?, 'old', 1)", ((number,) for number in range(1, 1501)))
        db.commit()
        store = SQLiteStore(path)
        store.capture()
        before = store.snapshot()
        db.execute(change)
        db.commit()
        after, found = store.snapshot(), db.execute("SELECT * FROM t").fetchall()
        store.restore()
        restored = store.snapshot()
        store.close()
    assert Counter(map(repr, after.tables["t"].rows)) == Counter(map(repr, found))
    assert near(before.tables["t"].rows, after.tables["t"].rows) is not change.startswith("ALTER")
    assert not after.same_as(before)
    assert restored.same_as(before)


def test_a_finding_about_a_large_table_tells_the_row_that_differs(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with opened(path) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        db.execute("BEGIN")
        db.executemany("INSERT INTO t (text) VALUES (?)", ((f"row {number}",) for number in range(1500)))
        db.commit()

    def adds() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT INTO t (text) VALUES ('more')")

    verdict = check(adds, faults=["duplicate"], settings=CheckSettings(profile="quick", isolation="thread"))
    (finding,) = [finding for finding in verdict.findings if finding.gates]
    assert "leaves one row too many in t when" in finding.message
    assert finding.diff is not None
    assert [(change.kind, change.row["text"]) for change in finding.diff.changes] == [("extra", "more")]
