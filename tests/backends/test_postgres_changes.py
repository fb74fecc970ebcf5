"""Of a large table, only what has changed is looked at: it must come to the same as to look at all of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from jobchaos.core.rows import Base, Rows, near
from jobchaos.stores.postgres import PostgresStore
from tests.backends.conftest import Create
from tests.backends.test_postgres_store import run

ROWS = 1500
CHANGES = [
    "UPDATE orders SET text = 'changed' WHERE id = 7",
    "UPDATE orders SET text = text WHERE id < 9",
    "UPDATE orders SET id = id + 5000 WHERE id < 4",
    "UPDATE orders SET id = id - 1501; UPDATE orders SET id = -id",
    "UPDATE orders SET hash = hash + 1, at = clock_timestamp() WHERE id % 500 = 3",
    "UPDATE orders SET code = -code WHERE code IN (2, 3); UPDATE orders SET code = 5 + code WHERE code < 0",
    "DELETE FROM orders WHERE id = 5",
    "DELETE FROM orders WHERE id = 6; INSERT INTO orders VALUES (6, 0, 'new')",
    "DELETE FROM orders; INSERT INTO orders VALUES (1, 1, 'alone')",
    "INSERT INTO orders SELECT i, i, 'new' FROM generate_series(2001, 2003) i",
    "INSERT INTO orders SELECT i, i, 'new' FROM generate_series(2001, 4000) i",
    "TRUNCATE orders",
    "UPDATE orders SET mood = 'happy', number = 1.50 WHERE id = 11",
    "UPDATE orders SET number = 1.5 WHERE id = 11",
]


@pytest.fixture(scope="module")
def database(new_postgres: Create) -> str:
    return new_postgres("changes")


@pytest.fixture
def dsn(database: str) -> str:
    run(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TYPE mood AS ENUM ('sad', 'happy')")
    run(
        database,
        "CREATE TABLE orders (id int PRIMARY KEY, hash int, text text, code int UNIQUE, mood mood DEFAULT 'sad',"
        " number numeric DEFAULT 1.0, at timestamptz, place json DEFAULT '{}')",
    )
    run(database, f"INSERT INTO orders SELECT i, i, 'old', i FROM generate_series(1, {ROWS}) i")
    return database


@pytest.fixture
def store(dsn: str) -> Iterator[PostgresStore]:
    store = PostgresStore(dsn)
    store.capture()
    store.announce(f"{store._resource}/orders")
    yield store
    store.close()


def require_as_whole(store: PostgresStore) -> None:
    """The mark is the one that all rows give, and the rows are all."""
    (orders,) = store._layout.tables.values()
    ((rows, told),) = store._session.run(f"SELECT {store._marks._sums(orders)} FROM {orders.rows}")
    assert store._look().marks["orders"] == (rows, told)
    every = store._contents._rows(orders, f"FROM {orders.rows}")
    assert Counter(store.snapshot().tables["orders"].rows) == Counter(every)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_told_and_undone(store: PostgresStore, dsn: str, change: str) -> None:
    before = store.snapshot()
    for _ in range(2):
        run(dsn, change)
        require_as_whole(store)
        held, after = store.hold(), store.snapshot()
        store.restore()
        assert store.snapshot().same_as(before)
        require_as_whole(store)
        store.put_back(held)
        assert store.snapshot().same_as(after)
        store.restore()
    assert store.snapshot().same_as(before)


def test_whatever_changes_follow_each_other(store: PostgresStore, dsn: str) -> None:
    chance, before = random.Random(5), store.snapshot()
    for _ in range(20):
        for change in chance.choices(CHANGES, k=chance.randint(1, 3)):
            with psycopg.connect(dsn) as connection:
                try:
                    connection.execute(change)
                except psycopg.errors.UniqueViolation:
                    connection.rollback()
        require_as_whole(store)
        if chance.random() < 0.7:
            store.restore()
            require_as_whole(store)
    store.restore()
    assert store.snapshot().same_as(before)


def test_what_was_not_yet_committed_when_the_check_began_is_told(dsn: str) -> None:
    with psycopg.connect(dsn) as early, psycopg.connect(dsn) as late:
        early.execute("UPDATE orders SET text = 'early' WHERE id = 1")
        late.execute("UPDATE orders SET text = 'late' WHERE id = 2")
        late.commit()
        store = PostgresStore(dsn)
        store.capture()
        store.announce(f"{store._resource}/orders")
        early.commit()
    require_as_whole(store)
    store.restore()
    with psycopg.connect(dsn) as connection:
        texts = connection.execute("SELECT text FROM orders WHERE id < 4 ORDER BY id").fetchall()
    assert texts == [("old",), ("late",), ("old",)]
    store.close()


def test_a_transaction_in_another_database_does_not_matter(new_postgres: Create, dsn: str) -> None:
    with psycopg.connect(new_postgres("elsewhere")) as elsewhere:
        elsewhere.execute("CREATE TABLE t (n int)")  # it is older than what follows, and still underway
        run(dsn, "UPDATE orders SET text = 'later'")
        store = PostgresStore(dsn)
        store.capture()
        store._look()
    assert store._marks.changes["orders"].now == "{}"
    store.close()


def test_only_what_has_changed_is_read(store: PostgresStore, dsn: str) -> None:
    run(dsn, "UPDATE orders SET text = 'changed' WHERE id = 7")
    store.restore()
    run(dsn, "UPDATE orders SET text = 'changed' WHERE id IN (8, 9)")
    store._look()
    assert store._marks.changes["orders"].now.count(",") == 5, "three places, of two numbers each"


def test_only_rows_that_differ_are_fetched(store: PostgresStore, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, fetched = store.snapshot().tables["orders"].rows, []

    def run_and_count(sql: str) -> Sequence[tuple[Any, ...]]:
        rows = store._session.run(sql)
        fetched.append(len(rows))
        return rows

    monkeypatch.setattr(store._contents, "_run", run_and_count)
    run(dsn, "UPDATE orders SET text = 'changed' WHERE id < 4; DELETE FROM orders WHERE id = 9")
    run(dsn, "INSERT INTO orders VALUES (9, 9, 'old', 9)")
    after = store.snapshot().tables["orders"].rows
    assert near(before, after)
    assert fetched == [4, 4]
    assert isinstance(after, Rows)
    assert [(row[0], row[2]) for row in (*after.gone, *after.new)] == [
        *((number, "old") for number in (1, 2, 3)),
        *((number, "changed") for number in (1, 2, 3)),
    ]


def test_a_time_in_a_key_that_is_over_by_now_does_no_harm(dsn: str) -> None:
    """It reads another way than at the beginning, so that nobody finds the row by it."""
    run(dsn, "ALTER TABLE orders DROP CONSTRAINT orders_pkey")
    run(
        dsn,
        "UPDATE orders SET at = now() + interval '1 h' + id * interval '1 s'; ALTER TABLE orders ADD PRIMARY KEY (at)",
    )
    store = PostgresStore(dsn)
    store.capture()
    store.announce(f"{store._resource}/orders")
    store.snapshot()
    run(dsn, "UPDATE orders SET text = 'changed' WHERE id = 7")
    (orders,) = store._layout.tables.values()
    at_first = store._contents._bases["orders", orders.shape].rows
    shifted = tuple((*row[:6], "(server time)", *row[7:]) for row in at_first)
    store._contents._bases["orders", orders.shape] = Base(shifted)
    require_as_whole(store)
    store.close()
