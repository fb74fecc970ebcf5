"""The proof of the independence of SQL: statements that are called independent give the same in either order."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from jobchaos.core.effect import Effect
from jobchaos.explore.independence import conflicts, dependent
from jobchaos.probes.sqlite_catalog import Catalog
from jobchaos.probes.sqlite_locks import SQLiteLocks

SCHEMA = """
CREATE TABLE items (id INTEGER PRIMARY KEY, n, name TEXT);
CREATE TABLE users (id INTEGER PRIMARY KEY, n, email TEXT UNIQUE);
CREATE TABLE partial (id INTEGER PRIMARY KEY, n, state TEXT);
CREATE UNIQUE INDEX one_active ON partial (n) WHERE state = 'a';
CREATE TABLE lines (a INTEGER, b TEXT, n, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE codes (k TEXT PRIMARY KEY, n);
CREATE TABLE names (k TEXT COLLATE NOCASE PRIMARY KEY, n) WITHOUT ROWID;
CREATE TABLE amounts (k NUMERIC PRIMARY KEY, n) WITHOUT ROWID;
CREATE TABLE floats (k REAL PRIMARY KEY, n) WITHOUT ROWID;
CREATE TABLE anything (k PRIMARY KEY, n) WITHOUT ROWID;
CREATE TABLE keyless (n, name TEXT);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, n);
CREATE TABLE orders (id INTEGER PRIMARY KEY, n REFERENCES users (id) ON DELETE CASCADE);
CREATE TABLE tree (id INTEGER PRIMARY KEY, n REFERENCES tree (id) ON DELETE SET NULL);
CREATE TABLE watched (id INTEGER PRIMARY KEY, n);
CREATE TABLE log (id INTEGER PRIMARY KEY, n);
CREATE TRIGGER noted AFTER UPDATE ON watched BEGIN
  INSERT INTO log (n) VALUES (new.n); UPDATE watched SET n = n + 1 WHERE id <> new.id;
END;
CREATE TRIGGER gone AFTER DELETE ON watched BEGIN INSERT INTO log (n) VALUES (old.id); END;
CREATE TRIGGER cancelled AFTER DELETE ON orders BEGIN INSERT INTO log (n) VALUES (old.id); END;
CREATE TABLE cased (k TEXT COLLATE NOCASE, n, PRIMARY KEY (k COLLATE BINARY));
CREATE VIEW few AS SELECT id, n FROM items WHERE n < 3;
"""
FILLED = """
INSERT INTO items VALUES (1, 1, 'a'), (2, 2, 'b'); INSERT INTO users VALUES (1, 1, 'a'), (2, 2, 'b');
INSERT INTO partial VALUES (1, 1, 'a'), (2, 1, 'b'); INSERT INTO lines VALUES (1, 'a', 1), (1, 'b', 2), (2, 'a', 3);
INSERT INTO codes VALUES ('a', 1), ('1', 2); INSERT INTO names VALUES ('a', 1), ('b', 2);
INSERT INTO amounts VALUES (1, 1), ('a', 2); INSERT INTO floats VALUES (1, 1);
INSERT INTO anything VALUES (1, 1), ('1', 2); INSERT INTO keyless VALUES (1, 'a'), (2, 'b');
INSERT INTO counted VALUES (1, 1), (2, 2); INSERT INTO orders VALUES (1, 1), (2, 2);
INSERT INTO cased VALUES ('a', 1), ('A', 2); INSERT INTO tree VALUES (1, NULL), (2, 1);
INSERT INTO watched VALUES (1, 1), (2, 2); INSERT INTO log VALUES (1, 1);
"""
TABLES = {
    "items": ("id", "n", "name"),
    "users": ("id", "n", "email"),
    "partial": ("id", "n", "state"),
    "lines": ("a", "b", "n"),
    "codes": ("k", "n"),
    "names": ("k", "n"),
    "amounts": ("k", "n"),
    "floats": ("k", "n"),
    "anything": ("k", "n"),
    "keyless": ("rowid", "n", "name"),
    "counted": ("id", "n"),
    "orders": ("id", "n"),
    "tree": ("id", "n"),
    "watched": ("id", "n"),
    "log": ("id", "n"),
    "cased": ("k", "n"),
    "few": ("id", "n"),
}
BASE = "sql:/schema.db"
LOCKS = SQLiteLocks(BASE)
_number = itertools.count()
_values = st.sampled_from([1, 1, 2, 2, 3, "a", "b", "A", "1", "01", 1.0, None, b"a", -1, "a/b"])

Statement = tuple[str, tuple[object, ...]]


@st.composite
def statements(draw: st.DrawFn, table: str) -> Statement:
    """A statement on one table, with values written out or bound."""
    columns = TABLES[table]
    bound: list[object] = []

    def value() -> str:
        chosen = draw(_values)
        if draw(st.booleans()):
            bound.append(chosen)
            return "?"
        return f"x'{chosen.hex()}'" if isinstance(chosen, bytes) else "NULL" if chosen is None else repr(chosen)

    def condition() -> str:
        names = columns[: draw(st.sampled_from([1, 1, 2]))] if table != "lines" else columns[:2]
        parts = [f"{name} = {value()}" if draw(st.booleans()) else f"{value()} = {name}" for name in names]
        more = ["", f" AND n > {value()}", f" OR n = {value()}", f" AND n IN (SELECT n FROM {table})"]
        return " AND ".join(parts) + draw(st.sampled_from(more))

    kind = draw(st.sampled_from(["select", "select", "update", "update", "delete", "insert", "upsert", "all"]))
    if kind == "select":
        return f"SELECT {columns[0]}, count(*), max(n) FROM {table} WHERE {condition()}", tuple(bound)
    if kind == "all":
        sort = draw(
            st.sampled_from([f"SELECT * FROM {table}", f"UPDATE {table} SET n = n + 1", f"DELETE FROM {table}"])
        )
        return sort, ()
    if kind == "update":
        changed = draw(st.sampled_from(columns))
        return f"UPDATE {table} SET {changed} = {value()} WHERE {condition()}", tuple(bound)
    if kind == "delete":
        return f"DELETE FROM {table} WHERE {condition()}", tuple(bound)
    some = columns if draw(st.booleans()) else columns[1:]
    rows = [f"({', '.join(value() for _ in some)})" for _ in range(draw(st.integers(1, 2)))]
    inserted = f"INTO {table} ({', '.join(some)}) VALUES {', '.join(rows)}"
    if kind == "insert":
        verb = draw(st.sampled_from(["INSERT", "INSERT OR IGNORE", "INSERT OR REPLACE", "REPLACE"]))
        return f"{verb} {inserted}", tuple(bound)
    action = draw(st.sampled_from(["NOTHING", "UPDATE SET n = n + 1", f"UPDATE SET {columns[0]} = 3"]))
    target = "" if action == "NOTHING" else f" ({', '.join(columns[:2] if table == 'lines' else columns[:1])})"
    return f"INSERT {inserted} ON CONFLICT{target} DO {action}", tuple(bound)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    path: Path = tmp_path_factory.mktemp("schema") / "schema.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA)
    with contextlib.closing(Catalog(str(path), False, BASE)) as made:
        yield made


@pytest.fixture(scope="module")
def start() -> Iterator[sqlite3.Connection]:
    """A database to copy."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA + FILLED)
        yield db


def effect_of(catalog: Catalog, statement: Statement) -> Effect:
    sql, parameters = statement
    known = catalog.statement(sql, parameters)
    locks = LOCKS.change if known.writes else LOCKS.query
    return Effect("sql", sql, known.touches_of((parameters,)), locks=locks)


def outcomes(
    start: sqlite3.Connection, statements: list[Statement], order: tuple[int, ...], pragmas: str
) -> tuple[object, ...]:
    """What each statement gave, by its place in `statements`, and the state afterwards."""
    number = next(_number)
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(contextlib.closing(_connected(number))) for _ in range(2))
        start.backup(first)
        for db in (first, second):
            db.executescript(pragmas)
        results = {place: _result((first, second)[place], *statements[place]) for place in order}
        return results[0], results[1], list(first.iterdump()), _numbers(first)


def _connected(number: int) -> sqlite3.Connection:
    return sqlite3.connect(f"file:proof{number}?mode=memory&cache=shared", uri=True, isolation_level=None)


def _result(db: sqlite3.Connection, sql: str, parameters: tuple[object, ...]) -> tuple[object, ...]:
    cursor = db.cursor()
    try:
        rows: Any = cursor.execute(sql, parameters).fetchall()
    except sqlite3.Error as error:
        rows = str(error)
    return rows, cursor.rowcount, cursor.lastrowid


def _numbers(db: sqlite3.Connection) -> list[object]:
    """Hidden row numbers, which decide in which order a query finds rows."""
    return [db.execute(f"SELECT rowid FROM {table} ORDER BY n").fetchall() for table in ("codes", "keyless", "log")]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.one_of(
        st.sampled_from(sorted(TABLES)).flatmap(lambda table: st.lists(statements(table), min_size=2, max_size=2)),
        st.lists(st.sampled_from(sorted(TABLES)).flatmap(statements), min_size=2, max_size=2),
    ),
    st.sampled_from(["", "PRAGMA foreign_keys = ON;", "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON;"]),
)
def test_independent_statements_commute(
    catalog: Catalog, start: sqlite3.Connection, pair: list[Statement], pragmas: str
) -> None:
    one, other = (effect_of(catalog, statement) for statement in pair)
    event(f"dependent: {dependent(one, other)}")
    assume(not dependent(one, other))
    assert outcomes(start, pair, (0, 1), pragmas) == outcomes(start, pair, (1, 0), pragmas)


def test_most_rows_of_a_plain_table_are_independent(catalog: Catalog) -> None:
    pairs = [
        (f"{verb} 1{rest}", f"{verb} 2{rest}")
        for verb, rest in [
            ("SELECT n FROM items WHERE id =", ""),
            ("UPDATE items SET n = n + 1 WHERE id =", ""),
            ("DELETE FROM items WHERE id =", " AND n > 3"),
            ("UPDATE users SET n = 1 WHERE id =", ""),
            ("INSERT INTO items (id) VALUES (", ")"),
            ("INSERT OR REPLACE INTO amounts VALUES (", ", 3)"),
        ]
    ]
    found = [conflicts(*(effect_of(catalog, (sql, ())) for sql in pair)) for pair in pairs]
    assert found == [None] * len(pairs)
