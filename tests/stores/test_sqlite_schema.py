"""What a database's own schema says about its columns: what identifies a row, what is made up, what refers to what."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest

from jobchaos.core.snapshot import Table
from jobchaos.stores.sqlite_schema import Schema, quoted


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        yield db


def table(db: sqlite3.Connection, statement: str) -> Table:
    """The first table that a script makes."""
    db.executescript(statement)
    return next(iter(Schema(db).tables().values()))


def test_columns_are_in_their_order_and_there_are_no_rows(db: sqlite3.Connection) -> None:
    found = table(db, 'CREATE TABLE t (b, a TEXT, "it\'s ""c"""); INSERT INTO t VALUES (1, 2, 3)')
    assert found == Table(("b", "a", 'it\'s "c"'), ())


@pytest.mark.parametrize(
    ("columns", "key", "made_up"),
    [
        ("a, b", (), ()),
        ("a INTEGER PRIMARY KEY, b", ("a",), ("a",)),
        ("a INTEGER PRIMARY KEY AUTOINCREMENT, b", ("a",), ("a",)),
        ("a integer, b, PRIMARY KEY (a)", ("a",), ("a",)),
        ("a INT PRIMARY KEY, b", ("a",), ()),
        ("a TEXT PRIMARY KEY, b", ("a",), ()),
        ("a INTEGER, b INTEGER, PRIMARY KEY (b, a)", ("b", "a"), ()),
    ],
)
def test_only_an_alias_of_the_rowid_is_made_up(
    db: sqlite3.Connection, columns: str, key: tuple[str, ...], made_up: tuple[str, ...]
) -> None:
    found = table(db, f"CREATE TABLE t ({columns})")
    assert (found.key, found.generated) == (key, frozenset(made_up))


@pytest.mark.parametrize("end", ["(a INTEGER PRIMARY KEY, b) WITHOUT ROWID", "(a INTEGER PRIMARY KEY DESC, b)"])
def test_a_key_that_sqlite_does_not_choose_is_not_made_up(db: sqlite3.Connection, end: str) -> None:
    found = table(db, f"CREATE TABLE t {end}")
    with contextlib.suppress(sqlite3.IntegrityError):
        db.execute("INSERT INTO t (b) VALUES (1)")
        assert db.execute("SELECT a FROM t").fetchall() == [(None,)]
    assert found.key == ("a",)
    assert found.generated == frozenset()


@pytest.mark.parametrize(
    ("columns", "references"),
    [
        ("c REFERENCES parent (code)", {"c": ("parent", "code")}),
        ("c REFERENCES parent", {"c": ("parent", "id")}),
        ("c, d, FOREIGN KEY (d) REFERENCES parent (code)", {"d": ("parent", "code")}),
        ("c REFERENCES parent, d REFERENCES parent (code)", {"c": ("parent", "id"), "d": ("parent", "code")}),
        ("c REFERENCES missing", {"c": ("missing", "")}),
        ("c, d, FOREIGN KEY (c, d) REFERENCES pairs (x, y)", {"c": ("pairs", "x"), "d": ("pairs", "y")}),
    ],
)
def test_references(db: sqlite3.Connection, columns: str, references: dict[str, tuple[str, str]]) -> None:
    parents = "CREATE TABLE parent (id INTEGER PRIMARY KEY, code UNIQUE); CREATE TABLE pairs (x, y, PRIMARY KEY (x, y))"
    assert table(db, f"CREATE TABLE t ({columns}); {parents}").references == references


def test_references_to_a_whole_key_of_several_columns(db: sqlite3.Connection) -> None:
    script = "CREATE TABLE t (c, d, FOREIGN KEY (c, d) REFERENCES p); CREATE TABLE p (x, y, PRIMARY KEY (x, y))"
    assert table(db, script).references == {"c": ("p", "x"), "d": ("p", "y")}


def test_what_sqlite_keeps_for_itself_and_what_it_computes_is_left_out(db: sqlite3.Connection) -> None:
    script = """
        CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b AS (a + 1) STORED, c AS (a + 2));
        CREATE TABLE sqlitelike (x); CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT a FROM t;
        INSERT INTO t (a) VALUES (1); ANALYZE;
    """
    assert table(db, script).columns == ("id", "a")
    assert sorted(Schema(db).tables()) == ["sqlitelike", "t"]


@pytest.mark.parametrize("module", ["fts4", "fts5"])
def test_a_search_index_is_told_by_its_words(db: sqlite3.Connection, module: str) -> None:
    schema = Schema(db)
    db.execute(f"CREATE VIRTUAL TABLE notes USING {module} (body)")
    db.execute("INSERT INTO notes (rowid, body) VALUES (3, 'big dogs')")
    tables = schema.tables()
    assert set(tables) == {"notes", "notes (index)"}
    assert tables["notes"] == Table(("rowid", "body"), (), ("rowid",), frozenset({"rowid"}))
    (words,) = zip(*db.execute('SELECT DISTINCT term FROM "notes (index)"'), strict=True)
    assert words == ("big", "dogs")
    db.execute("DROP TABLE notes")
    assert schema.tables() == {}
    db.execute(f"CREATE VIRTUAL TABLE notes USING {module} (body)")
    assert set(schema.tables()) == {"notes", "notes (index)"}


def test_a_virtual_table_is_told_by_its_rows(db: sqlite3.Connection) -> None:
    db.execute("CREATE VIRTUAL TABLE places USING rtree (id, low, high)")
    assert {name: found.columns for name, found in Schema(db).tables().items()} == {
        "places": ("rowid", "id", "low", "high")
    }


def test_what_cannot_be_read_is_told_by_the_tables_behind_it(db: sqlite3.Connection) -> None:
    db.execute("CREATE VIRTUAL TABLE notes USING fts5 (body, content = gone)")
    assert "notes_data" in Schema(db).tables()
    assert "notes" not in Schema(db).tables()


def test_tables_are_worked_out_again_when_one_changes(db: sqlite3.Connection) -> None:
    schema = Schema(db)
    assert schema.tables() == {}
    db.execute("CREATE TABLE t (a)")
    assert schema.tables() == {"t": Table(("a",), ())}
    assert schema.tables() is schema.tables()
    db.execute("ALTER TABLE t ADD COLUMN b")
    assert schema.tables() == {"t": Table(("a", "b"), ())}
    db.execute("DROP TABLE t")
    assert schema.tables() == {}


def test_names_are_quoted(db: sqlite3.Connection) -> None:
    name = 'a "b"; DROP TABLE x'
    db.execute(f"CREATE TABLE {quoted(name)} (x)")
    assert list(Schema(db).tables()) == [name]


def test_a_database_with_a_known_schema_is_only_asked_for_its_statements(db: sqlite3.Connection) -> None:
    made = (
        "CREATE TABLE teams (code TEXT PRIMARY KEY); CREATE TABLE users (id INTEGER PRIMARY KEY, team REFERENCES teams)"
    )
    table(db, made)
    asked: list[str] = []
    with contextlib.closing(sqlite3.connect(":memory:")) as other:
        other.executescript(made)
        other.set_trace_callback(asked.append)
        assert Schema(other).tables()["users"].references == {"team": ("teams", "code")}
    assert len(asked) == 1
    assert "sqlite_master" in asked[0]
    with contextlib.closing(sqlite3.connect(":memory:")) as other:
        other.executescript(made.replace("code", "name"))
        assert Schema(other).tables()["users"].references == {"team": ("teams", "name")}
