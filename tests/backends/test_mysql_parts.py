"""Large tables of MariaDB are divided: every change in any part is seen, and only parts that differ are moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jobchaos.core.rows import near
from jobchaos.stores import mysql_parts
from jobchaos.stores.mysql import MySQLStore
from jobchaos.stores.mysql_driver import Session
from tests.backends.mysql import ACCESS, Database, mysql_databases

__all__ = ["mysql_databases"]


@pytest.fixture
def database(mysql_databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(mysql_parts, "_SIZE", 3)
    database, _ = mysql_databases
    database.reset()
    return database


@pytest.fixture
def stores(database: Database) -> Iterator[list[MySQLStore]]:
    stores: list[MySQLStore] = []
    yield stores
    for store in stores:
        store.close()


def captured(stores: list[MySQLStore], database: Database) -> MySQLStore:
    store = MySQLStore({**ACCESS, "database": database.name})
    stores.append(store)
    store.capture()
    return store


KEYS = {
    "INT": "1, 2, 3, 4, 5, 6, -7, 8",
    "BIGINT UNSIGNED": "0, 18446744073709551615, 18446744073709551614, 7, 8, 9, 10, 11",
    "DECIMAL(9, 2)": "-1.5, 2.25, 2.5, 3, 4, 5, 6, 7",
    "VARCHAR(9) COLLATE utf8mb4_general_ci": "'a', 'B', 'é', '''', '\\\\', '', 'z', 'aa'",
    "VARCHAR(9) CHARACTER SET latin1": "'a', 'B', 'ß', '''', '\\\\', '', 'z', 'aa'",
    "VARBINARY(9)": "x'00', x'ff', x'27', '', x'0000', x'5c', 'a', 'A'",
    "DATE": "'2020-01-01', '2020-01-02', '2020-02-29', '2021-01-01', '1999-01-01', '2000-01-01', '2001-01-01'",
    "ENUM('z', 'y', 'x', 'w', 'v', 'u', 't', 's')": "'z', 'y', 'x', 'w', 'v', 'u', 't', 's'",
    "DOUBLE": "0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8",
}


@pytest.mark.parametrize("kind", KEYS)
def test_each_row_of_a_table_with_any_key(database: Database, stores: list[MySQLStore], kind: str) -> None:
    keys = KEYS[kind].split(", ")
    database.run(
        f"CREATE TABLE t (k {kind} PRIMARY KEY, n INT, note VARCHAR(9))",
        f"INSERT INTO t (k) VALUES {', '.join(f'({key})' for key in keys)}",
    )
    store = captured(stores, database)
    before = store.snapshot()
    for key in keys:
        for change in ("UPDATE t SET note = 'NULL'", "DELETE FROM t"):
            database.run(f"{change} WHERE k = {key}")
            changed = store.snapshot()
            assert not changed.same_as(before), (change, key)
            held = store.hold()
            store.restore()
            assert store.snapshot().same_as(before), (change, key)
            store.put_back(held)
            assert store.snapshot().same_as(changed), (change, key)
            store.restore()


CHANGES = pytest.mark.parametrize(
    "change",
    [
        "UPDATE t SET place = 100 WHERE place = 1",
        "UPDATE t SET place = -place",
        "UPDATE t SET code = code + 100",
        "DELETE FROM t WHERE place IN (1, 5, 12)",
        "INSERT INTO t VALUES (0, 0), (13, 13), (14, 14), (15, 15), (16, 16)",
        "TRUNCATE t",
        "REPLACE INTO t VALUES (20, 5)",
    ],
)


@CHANGES
def test_of_a_large_table_only_parts_that_differ_make_its_rows(
    database: Database, stores: list[MySQLStore], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr("jobchaos.stores.mysql.LARGE", 12)
    database.run(
        "CREATE TABLE t (place INT PRIMARY KEY, code INT UNIQUE)",
        f"INSERT INTO t VALUES {', '.join(f'({n}, {n})' for n in range(1, 13))}",
    )
    store = captured(stores, database)
    before = store.snapshot().tables["t"].rows
    for _ in range(2):
        database.run(change)
        after = store.snapshot().tables["t"].rows
        assert near(before, after)
        assert sorted(after) == sorted(database.run("SELECT * FROM t"))
        store.restore()
        assert sorted(store.snapshot().tables["t"].rows) == sorted(before) == [(n, n) for n in range(1, 13)]


@CHANGES
def test_rows_that_move_from_part_to_part(database: Database, stores: list[MySQLStore], change: str) -> None:
    database.run(
        "CREATE TABLE t (place INT PRIMARY KEY, code INT UNIQUE)",
        f"INSERT INTO t VALUES {', '.join(f'({n}, {n})' for n in range(1, 13))}",
    )
    store = captured(stores, database)
    database.run("UPDATE t SET code = 99 WHERE place = 8")
    first = store.hold()
    before = store.snapshot()
    database.run(change)
    second, after = store.hold(), store.snapshot()
    assert not after.same_as(before)
    for held, snapshot in ((first, before), (second, after), (first, before)):
        store.put_back(held)
        assert store.snapshot().same_as(snapshot)
    store.restore()
    assert sorted(database.run("SELECT * FROM t")) == [(n, n) for n in range(1, 13)]


def test_values_that_rows_swap_are_seen_where_checksum_table_is_the_same(
    database: Database, stores: list[MySQLStore]
) -> None:
    database.run(
        "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL)",
        "INSERT INTO t VALUES (616, 878), (515, 983)",
    )
    store = captured(stores, database)
    before, checksum = store.snapshot(), database.run("CHECKSUM TABLE t")
    database.run("UPDATE t SET n = 878 + 983 - n")
    assert database.run("CHECKSUM TABLE t") == checksum, "or the test shows nothing"
    assert not store.snapshot().same_as(before)
    store.restore()
    assert store.snapshot().same_as(before)


def test_only_the_part_that_differs_is_fetched_and_written(
    database: Database, stores: list[MySQLStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(
        "CREATE TABLE other (id INT PRIMARY KEY, n INT)",
        "INSERT INTO other VALUES (50, 0)",
        "CREATE TABLE t (id INT PRIMARY KEY, n INT)",
        f"INSERT INTO t VALUES {', '.join(f'({n}, 0)' for n in range(100))}",
    )
    store = captured(stores, database)
    store.snapshot()
    asked: list[str] = []
    run = Session._run

    def noted(session: Session, sql: str) -> list[Sequence[tuple[Any, ...]]]:
        asked.append(sql)
        return run(session, sql)

    monkeypatch.setattr(Session, "_run", noted)
    database.run("UPDATE t SET n = 1 WHERE id = 50")
    store.snapshot()
    store.restore()
    moved = [part for sql in asked for part in sql.split("; ") if part.startswith(("SELECT `id`", "DELETE", "INSERT"))]
    assert len(moved) == 3, moved
    assert all("`id` >= 48 AND" in part and "`id` < 51" in part for part in moved), moved
