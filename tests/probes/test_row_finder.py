"""Which rows a statement names: one case for each way to name them, and for each way to reach others."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobchaos.core.effect import Mode
from jobchaos.probes.sqlite_catalog import Catalog

SCHEMA = """
CREATE TABLE t (id INTEGER PRIMARY KEY, n, s TEXT);
CREATE TABLE pairs (a INTEGER, b TEXT, n, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE words (k TEXT PRIMARY KEY, n);
CREATE TABLE codes (k TEXT PRIMARY KEY, n) WITHOUT ROWID;
CREATE TABLE cased (k TEXT COLLATE NOCASE, n, PRIMARY KEY (k COLLATE BINARY));
CREATE TABLE loose (k PRIMARY KEY, n); CREATE TABLE floats (k REAL PRIMARY KEY, n);
CREATE TABLE numbers (k NUMERIC PRIMARY KEY, n) WITHOUT ROWID;
CREATE TABLE quirk (id INTEGER PRIMARY KEY DESC, n);
CREATE TABLE keyless (n); CREATE TABLE named (rowid TEXT, n);
CREATE TABLE uniq (id INTEGER PRIMARY KEY, n, mail UNIQUE);
CREATE TABLE part (id INTEGER PRIMARY KEY, n, s); CREATE UNIQUE INDEX some ON part (n) WHERE s;
CREATE TABLE made (id INTEGER PRIMARY KEY, n, twice AS (n * 2)); CREATE UNIQUE INDEX of_made ON made (twice);
CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, n);
CREATE TABLE child (id INTEGER PRIMARY KEY, t REFERENCES t (id));
CREATE TABLE tree (id INTEGER PRIMARY KEY, up REFERENCES tree (id));
CREATE TABLE noisy (id INTEGER PRIMARY KEY, n);
CREATE TRIGGER noise AFTER UPDATE ON noisy BEGIN UPDATE noisy SET n = 0 WHERE id <> new.id; END;
CREATE VIEW v AS SELECT id, n FROM t;
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    path: Path = tmp_path_factory.mktemp("rows") / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA)
    with contextlib.closing(Catalog(str(path), False, f"sql:{path}")) as made:
        yield made


def rows(catalog: Catalog, sql: str, *calls: object) -> set[str]:
    """The paths below the database that a statement touches."""
    given = calls or ((),)
    statement = catalog.statement(sql, given[0])
    assert statement.touches
    base = catalog._base
    return {touch.resource.removeprefix(base)[1:] for touch in statement.touches_of(given)}


@pytest.mark.parametrize(
    ("sql", "parameters", "expected"),
    [
        ("SELECT n FROM t WHERE id = 1", (), {"t/id=1"}),
        ("SELECT n FROM t AS u WHERE u.id = ? AND n > 3 ORDER BY n LIMIT 1", (7,), {"t/id=7"}),
        ("SELECT count(*) FROM main.t WHERE (5 = id)", (), {"t/id=5"}),
        ('SELECT n FROM "t" WHERE [id] = ?2 AND `n` = ?1', (1, 2), {"t/id=2"}),
        ("SELECT n -- ? :x\nFROM t /* ? */ WHERE s = '?' AND id = ?", (4,), {"t/id=4"}),
        ("SELECT n FROM t WHERE ID = :id", {"id": 3}, {"t/id=3"}),
        ("SELECT n FROM t WHERE id = @id AND n = $n", {"id": 3, "n": 4}, {"t/id=3"}),
        ("SELECT n FROM t WHERE id = '01'", (), {"t/id=1"}),
        ("SELECT n FROM t WHERE id = -1 AND id = id", (), {"t/id=-1"}),
        ("SELECT n FROM t WHERE oid = ?", ("12",), {"t/id=12"}),
        ("UPDATE t SET n = n + 1 WHERE id = ? AND n < 5 RETURNING n", (1,), {"t/id=1"}),
        ("DELETE FROM pairs WHERE a = ? AND b = ?", (1, "x/y,%"), {"pairs/a=1,b=x%2Fy%2C%25"}),
        ("UPDATE words SET n = 1 WHERE k = 5", (), {"words/k=5"}),
        (r"UPDATE words SET n = 1 WHERE k = 'it''s \n'", (), {r"words/k=it's \n"}),
        ("INSERT INTO codes VALUES ('a', 1), (?, 2)", ("b",), {"codes/k=a", "codes/k=b"}),
        ("REPLACE INTO codes (n, k) VALUES (1, ?)", ("b",), {"codes/k=b"}),
        ("INSERT OR IGNORE INTO numbers VALUES ('10', 1)", (), {"numbers/k=10"}),
        ("INSERT INTO codes VALUES ('a', 1) ON CONFLICT (k) DO UPDATE SET n = excluded.n", (), {"codes/k=a"}),
        ("INSERT INTO codes VALUES ('a', 1) ON CONFLICT DO NOTHING", (), {"codes/k=a"}),
        ("UPDATE keyless SET n = 1 WHERE rowid = 3", (), {"keyless/_rowid_=3"}),
        ("UPDATE uniq SET n = 1 WHERE id = 3", (), {"uniq/id=3"}),
        ("DELETE FROM uniq WHERE id = 3", (), {"uniq/id=3"}),
        ("SELECT n FROM noisy WHERE id = 3", (), {"noisy/id=3"}),
        ("UPDATE quirk SET n = 1 WHERE id = 3", (), {"quirk/id=3"}),
        ("UPDATE t SET n = 1 WHERE id = 3", (), {"t/id=3"}),
        ("INSERT INTO child VALUES (1, 2)", (), {"child/id=1", "t"}),
    ],
)
def test_rows_are_named(catalog: Catalog, sql: str, parameters: object, expected: set[str]) -> None:
    assert rows(catalog, sql, parameters) == expected


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT n FROM t", ()),
        ("SELECT n FROM t WHERE id = 1 OR n = 2", ()),
        ("SELECT n FROM t WHERE n OR s AND id = 1", ()),
        ("SELECT n FROM t WHERE NOT id = 1", ()),
        ("SELECT n FROM t WHERE id > 1", ()),
        ("SELECT n FROM t WHERE id = 1 + 1", ()),
        ("SELECT n FROM t WHERE id = n", ()),
        ("SELECT n FROM t WHERE id = 1.0", ()),
        ("SELECT n FROM t WHERE id = x'31'", ()),
        ("SELECT n FROM t WHERE id = NULL", ()),
        ("SELECT n FROM t WHERE id = ?", (None,)),
        ("SELECT n FROM t WHERE id = ?", (b"1",)),
        ("SELECT n FROM t WHERE id = ?", (1.0,)),
        ("SELECT n FROM t WHERE id = ?", ("one",)),
        ("SELECT n FROM t WHERE id = ? AND n = :n", (1, 2)),
        ("SELECT n FROM t WHERE id = 1 UNION SELECT n FROM t", ()),
        ("SELECT n FROM t WHERE id = 1 AND n = (SELECT max(n) FROM t)", ()),
        ("SELECT a.n FROM t AS a, t AS b WHERE a.id = 1", ()),
        ("SELECT a.n FROM t AS a JOIN t AS b ON b.n = a.n WHERE a.id = 1", ()),
        ("UPDATE t SET id = 2 WHERE id = 1", ()),
        ("UPDATE t SET rowid = 2 WHERE id = 1", ()),
        ("UPDATE t SET (n, s) = (1, 2) WHERE id = 1", ()),
        ("DELETE FROM pairs WHERE a = 1", ()),
        ("DELETE FROM keyless WHERE n = 1", ()),
        ("UPDATE named SET n = 1 WHERE rowid = 'a'", ()),
        ("UPDATE cased SET n = 1 WHERE k = 'a'", ()),
        ("UPDATE loose SET n = 1 WHERE k = 1", ()),
        ("UPDATE floats SET n = 1 WHERE k = 1", ()),
        ("UPDATE uniq SET mail = 1 WHERE id = 3", ()),
        ("UPDATE part SET s = 1 WHERE id = 3", ()),
        ("UPDATE made SET n = 1 WHERE id = 3", ()),
        ("UPDATE noisy SET n = 1 WHERE id = 3", ()),
        ("UPDATE tree SET up = 1 WHERE id = 3", ()),
        ("INSERT INTO keyless VALUES (1)", ()),
        ("INSERT INTO quirk (n) VALUES (1)", ()),
        ("INSERT INTO words VALUES ('a', 1)", ()),
        ("INSERT INTO uniq VALUES (1, 2, 3)", ()),
        ("INSERT INTO codes SELECT 'a', 1", ()),
        ("INSERT INTO codes DEFAULT VALUES", ()),
        ("INSERT INTO codes VALUES ('a', 1) ON CONFLICT (k) DO UPDATE SET k = 'b'", ()),
        ("INSERT INTO codes VALUES ('a', (SELECT count(*) FROM codes))", ()),
    ],
)
def test_what_may_reach_other_rows_touches_the_table(catalog: Catalog, sql: str, parameters: object) -> None:
    assert all("=" not in name for name in rows(catalog, sql, parameters))


def test_tables_that_a_statement_reaches_are_touched(catalog: Catalog) -> None:
    assert rows(catalog, "SELECT n FROM v WHERE id = 1") == {"t", "v"}
    assert rows(catalog, "DELETE FROM t WHERE id = 1") == {"t", "child"}
    assert rows(catalog, "INSERT INTO auto (id, n) VALUES (1, 1)") == {"auto", "sqlite_sequence"}


def test_executemany_touches_the_rows_of_all_its_calls(catalog: Catalog) -> None:
    sql = "UPDATE t SET n = 1 WHERE id = ?"
    assert rows(catalog, sql, (1,), (2,)) == {"t/id=1", "t/id=2"}
    assert rows(catalog, sql, (1,), (None,)) == {"t"}
    assert rows(catalog, sql, *((number,) for number in range(101))) == {"t"}


def test_a_row_is_read_and_written_as_its_table_was(catalog: Catalog) -> None:
    touches = catalog.statement("UPDATE t SET n = n WHERE id = ?", (1,)).touches_of(((1,),))
    assert {touch.mode for touch in touches} == {Mode.READ, Mode.WRITE}
