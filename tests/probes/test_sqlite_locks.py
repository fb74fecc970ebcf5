"""SQLite's locks as resources: which effects depend on which, though they share no row."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobchaos.core.effect import Effect
from jobchaos.explore.independence import dependent, lasting
from jobchaos.probes.sleep import SleepProbe
from jobchaos.probes.sqlite import SQLiteProbe
from tests.probes.conftest import Watch, effects

Job = Callable[[sqlite3.Connection], object]
Observe = Callable[..., dict[str, Effect]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 0), (2, 0), (3, 0);")
    return path


@pytest.fixture
def observe(watch: Watch, path: Path) -> Observe:
    """`observe(job)`: its effects by their labels, each with what its worker keeps until the next one."""

    def go(job: Job, level: str | None = None) -> dict[str, Effect]:
        def run() -> None:
            with contextlib.closing(sqlite3.connect(path, isolation_level=level)) as db:  # type: ignore[arg-type]
                job(db)

        result = watch(run, "A", SQLiteProbe(watch.bindings), SleepProbe(watch.bindings))
        assert result.copies["A"].completed, result.copies["A"].error
        return {effect.label: effect for effect in lasting(effects(result))}

    return go


@pytest.fixture
def change(observe: Observe) -> Effect:
    """A change of another row that is its own transaction."""
    (effect,) = observe(lambda db: db.execute("UPDATE t SET n = 1 WHERE id = 3")).values()
    return effect


@pytest.fixture
def query(observe: Observe) -> Effect:
    """A query of another row that is its own transaction."""
    (effect,) = observe(lambda db: db.execute("SELECT n FROM t WHERE id = 3").fetchone()).values()
    return effect


UPDATE = "UPDATE t SET n = 1 WHERE id = 1"
SELECT = "SELECT n FROM t WHERE id = 1"


def run(*statements: str) -> Job:
    def job(db: sqlite3.Connection) -> None:
        for statement in statements:
            db.execute(statement).fetchall()

    return job


def test_statements_that_are_their_own_transactions_commute(observe: Observe, change: Effect, query: Effect) -> None:
    found = observe(run(UPDATE, SELECT))
    for effect in found.values():
        assert not dependent(effect, change)
        assert not dependent(effect, query)


@pytest.mark.parametrize(
    ("statements", "blocking", "free"),
    [
        (("BEGIN", SELECT, "COMMIT"), (SELECT, "COMMIT"), ("BEGIN",)),
        (("BEGIN IMMEDIATE", SELECT, "COMMIT"), ("BEGIN IMMEDIATE", SELECT, "COMMIT"), ()),
        (("BEGIN", UPDATE, "SELECT 1", "ROLLBACK"), (UPDATE, "SELECT 1"), ("BEGIN",)),
        (("SAVEPOINT s", SELECT, "RELEASE s"), (SELECT, "RELEASE s"), ("SAVEPOINT s",)),
    ],
)
def test_a_transaction_is_in_the_way_of_changes(
    observe: Observe, change: Effect, statements: tuple[str, ...], blocking: tuple[str, ...], free: tuple[str, ...]
) -> None:
    found = observe(run(*statements))
    assert [label for label in found if dependent(found[label], change)] == list(blocking)
    assert [label for label in found if not dependent(found[label], change)] == list(free)


def test_an_implicit_transaction_is_one(observe: Observe, change: Effect, query: Effect) -> None:
    def job(db: sqlite3.Connection) -> None:
        db.execute(UPDATE)
        db.commit()

    found = observe(job, "")
    assert all(dependent(effect, change) for effect in found.values())
    assert [label for label in found if dependent(found[label], query)] == ["COMMIT"]


@pytest.mark.parametrize("level", [None, "EXCLUSIVE"])
def test_an_exclusive_transaction_is_in_the_way_of_queries(observe: Observe, query: Effect, level: str | None) -> None:
    begin = () if level else ("BEGIN EXCLUSIVE",)
    found = observe(run(*begin, UPDATE, "COMMIT"), level)
    assert all(dependent(effect, query) for effect in found.values())


def test_what_is_done_in_a_transaction_may_be_followed_by_its_end(observe: Observe, change: Effect) -> None:
    """The rollback is no step: it happens after the sleep, which frees the lock as far as the schedule can tell."""

    def job(db: sqlite3.Connection) -> None:
        db.execute(UPDATE)
        time.sleep(1)
        db.rollback()
        time.sleep(2)
        time.sleep(3)

    found = observe(job, "")
    assert [label for label in found if dependent(found[label], change)] == [UPDATE, "sleep 1 s", "sleep 2 s"]


def test_a_change_that_fails_keeps_its_transactions_lock(observe: Observe, change: Effect) -> None:
    def job(db: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.IntegrityError):
            db.execute("INSERT INTO t VALUES (1, 1)")
        time.sleep(1)

    assert all(dependent(effect, change) for effect in observe(job, "").values())


def cursors() -> Iterator[tuple[str, bool, Callable[[sqlite3.Cursor], object]]]:
    yield SELECT, True, lambda cursor: None
    yield SELECT, False, lambda cursor: cursor.fetchone()
    yield "SELECT n FROM t", True, lambda cursor: cursor.fetchone()
    yield "SELECT n FROM t", True, lambda cursor: next(cursor)
    yield "SELECT n FROM t", False, lambda cursor: cursor.fetchall()
    yield "SELECT n FROM t", False, lambda cursor: list(cursor)
    yield "SELECT n FROM t", False, lambda cursor: [cursor.fetchone() for _ in range(4)]
    yield "SELECT n FROM t", False, lambda cursor: [cursor.fetchmany(2) for _ in range(3)]
    yield "SELECT n FROM t", False, lambda cursor: cursor.close()
    yield "SELECT 1", False, lambda cursor: None


@pytest.mark.parametrize(("sql", "is_open", "use"), list(cursors()))
def test_an_open_cursor_is_in_the_way_of_changes(
    observe: Observe, change: Effect, sql: str, is_open: bool, use: Callable[[sqlite3.Cursor], object]
) -> None:
    def job(db: sqlite3.Connection) -> None:
        cursor = db.execute(sql)
        time.sleep(1)  # the cursor is open here
        use(cursor)
        time.sleep(2)
        time.sleep(3)
        del cursor

    found = observe(job)
    sleeps = [label for label in found if label.startswith("sleep") and dependent(found[label], change)]
    before = [] if sql == "SELECT 1" else ["sleep 1 s", "sleep 2 s"]
    assert sleeps == before + (["sleep 3 s"] if is_open else [])


def test_a_cursor_that_nobody_keeps_is_closed(observe: Observe, change: Effect) -> None:
    def job(db: sqlite3.Connection) -> None:
        db.execute("SELECT n FROM t").fetchone()
        time.sleep(1)
        time.sleep(2)

    assert not dependent(observe(job)["sleep 2 s"], change)


def test_a_connection_that_never_frees_its_locks(observe: Observe, query: Effect) -> None:
    found = observe(run("PRAGMA locking_mode = EXCLUSIVE", UPDATE, "BEGIN"))
    assert dependent(found[UPDATE], query)
