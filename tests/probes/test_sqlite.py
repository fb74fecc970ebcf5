"""Statements and commits on SQLite are steps; waiting for its locks takes virtual time."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from sqlite3 import connect as early_connect

import pytest

from jobchaos.core.effect import Mode
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.sqlite import SQLiteProbe
from tests.probes.conftest import Watch, effects, seen

genuine = sqlite3.connect


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 0);")
    return path


@pytest.fixture
def run(watch: Watch) -> Callable[..., RunResult]:
    def run(job: Callable[[], object], token: str = "A") -> RunResult:
        return watch(job, token, SQLiteProbe(watch.bindings))

    return run


Run = Callable[..., RunResult]


@contextlib.contextmanager
def opened(path: Path, **options: object) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path, **options)  # type: ignore[call-overload]
    try:
        yield db
    finally:
        db.close()


def rows(path: Path) -> list[tuple[int, int]]:
    with contextlib.closing(genuine(path)) as db:
        return db.execute("SELECT id, n FROM t ORDER BY id").fetchall()


def test_statements_are_shown_with_their_values_and_answers(run: Run, path: Path) -> None:
    def job() -> None:
        with opened(path, isolation_level=None) as db:
            assert db.execute("SELECT n FROM t WHERE id = ?", (1,)).fetchone() == (0,)
            db.execute("UPDATE t SET n = :n WHERE id = 1", {"n": 5})
            assert len(db.execute("SELECT * FROM t").fetchall()) == 1

    result = run(job)
    assert seen(result) == [
        "SELECT n FROM t WHERE id = 1 -> 0",
        "UPDATE t SET n = 5 WHERE id = 1 1 row",
        "SELECT * FROM t -> (1, 5)",
    ]
    read, write, _ = effects(result)
    assert (read.durable, write.durable) == (False, True)
    assert [touch.mode for touch in read.touches] == [Mode.READ]
    assert write.writes


def test_an_implicit_transaction_is_durable_at_its_commit_only(run: Run, path: Path) -> None:
    def job() -> None:
        with opened(path) as db:
            db.execute("UPDATE t SET n = 1")
            db.commit()

    result = run(job)
    assert seen(result) == ["UPDATE t SET n = 1 1 row", "COMMIT"]
    assert [effect.durable for effect in effects(result)] == [False, True]


def test_with_blocks_commit_and_roll_back_as_steps(run: Run, path: Path) -> None:
    def job() -> None:
        with opened(path) as db:
            with db:
                db.execute("UPDATE t SET n = 1")
            with contextlib.suppress(ValueError), db:
                db.execute("UPDATE t SET n = 2")
                raise ValueError

    assert seen(run(job)) == ["UPDATE t SET n = 1 1 row", "COMMIT", "UPDATE t SET n = 2 1 row"]
    assert rows(path) == [(1, 1)]


def test_executemany_is_one_step_inside_a_transaction_and_many_without(run: Run, path: Path) -> None:
    def job() -> None:
        with opened(path) as db, db:
            db.executemany("INSERT INTO t (n) VALUES (?)", [(1,), (2,), (3,)])
        with opened(path, isolation_level=None) as db:
            db.executemany("INSERT INTO t (n) VALUES (?)", ((n,) for n in (4, 5)))

    assert seen(run(job)) == [
        "INSERT INTO t (n) VALUES (1) and 2 more 3 rows",
        "COMMIT",
        "INSERT INTO t (n) VALUES (4) 1 row",
        "INSERT INTO t (n) VALUES (5) 1 row",
    ]


def test_a_script_is_a_step_for_each_statement(run: Run, path: Path) -> None:
    def job() -> None:
        with opened(path) as db:
            db.execute("UPDATE t SET n = 9")
            db.executescript("BEGIN; UPDATE t SET n = 1; -- done; not\nCOMMIT; INSERT INTO t (n) VALUES (';')")

    assert [text.removesuffix(" 1 row") for text in seen(run(job))] == [
        "UPDATE t SET n = 9",
        "COMMIT",
        "BEGIN;",
        "UPDATE t SET n = 1;",
        "COMMIT;",
        "INSERT INTO t (n) VALUES (';')",
    ]


@pytest.mark.parametrize("connect", [sqlite3.connect, early_connect, sqlite3.dbapi2.connect])
def test_early_bound_names_are_watched(run: Run, path: Path, connect: Callable[..., sqlite3.Connection]) -> None:
    def job() -> None:
        with contextlib.closing(early_connect(path)) as db, db:
            db.execute("UPDATE t SET n = 1")

    assert seen(run(job)) == ["UPDATE t SET n = 1 1 row", "COMMIT"]
    assert early_connect is genuine


def test_a_reference_that_cannot_be_replaced_is_named(run: Run, path: Path) -> None:
    kept = [sqlite3.connect]
    result = run(lambda: kept[0](path).close())
    ((code, message),) = result.oddities
    assert code == "JC905"
    assert "app.db" in message


def test_factories_and_rows_of_the_users_own_keep_working(run: Run, path: Path) -> None:
    class MyConnection(sqlite3.Connection):
        def shout(self) -> str:
            return "hey"

    class MyCursor(sqlite3.Cursor):
        pass

    def job() -> None:
        with opened(path, factory=MyConnection) as db:
            assert isinstance(db, MyConnection)
            assert db.shout() == "hey"
            db.row_factory = sqlite3.Row
            cursor = db.cursor(MyCursor)
            assert isinstance(cursor, MyCursor)
            assert next(iter(cursor.execute("SELECT n FROM t")))["n"] == 0

    result = run(job)
    assert result.completed, result.copies
    assert seen(result) == ["SELECT n FROM t"]


def test_a_shared_memory_database_is_watched_and_a_private_one_is_not(run: Run, tmp_path: Path) -> None:
    uri = f"file:{tmp_path.name}?mode=memory&cache=shared"
    with contextlib.closing(genuine(uri, uri=True, isolation_level=None)) as keeper:
        keeper.execute("CREATE TABLE m (n)")

        def job() -> None:
            with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as shared:
                shared.execute("INSERT INTO m VALUES (1)")
            with contextlib.closing(sqlite3.connect(":memory:")) as private:
                private.execute("CREATE TABLE p (n)")

        assert seen(run(job)) == ["INSERT INTO m VALUES (1) 1 row"]


def increments(path: Path, begin: str = "BEGIN IMMEDIATE", timeout: float = 5.0) -> Callable[[], None]:
    def job() -> None:
        with opened(path, isolation_level=None, timeout=timeout) as db:
            db.execute(begin)
            (n,) = db.execute("SELECT n FROM t WHERE id = 1").fetchone()
            db.execute("UPDATE t SET n = ? WHERE id = 1", (n + 1,))
            db.execute("COMMIT")

    return job


def test_a_worker_that_waits_for_a_lock_lets_its_holder_move(run: Run, path: Path) -> None:
    result = run(increments(path), "A2 B A")
    assert [event.happening for event in result.trace.events].count(Happening.BLOCKED) == 1
    assert result.completed
    assert rows(path) == [(1, 2)]


def test_a_lock_that_is_never_released_times_out_in_virtual_time(watch: Watch, run: Run, path: Path) -> None:
    holder = genuine(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        result = run(increments(path, timeout=3600), "A")
    finally:
        holder.close()
    assert "database is locked" in result.copies["A"].error
    assert watch.clock.now() >= 3600 * 10**9


def test_upgrading_a_read_transaction_fails_at_once_as_in_sqlite(watch: Watch, run: Run, path: Path) -> None:
    result = run(increments(path, "BEGIN"), "A2 B A")
    errors = [event.detail for event in result.trace.events if event.happening is Happening.RAISED]
    assert errors == ["OperationalError: database is locked"]
    assert result.completed
    assert rows(path) == [(1, 2)]
    assert watch.clock.now() < 60 * 10**9


@pytest.mark.parametrize("way", ["execute", "executescript"])
def test_the_busy_timeout_pragma_is_virtual_too(watch: Watch, run: Run, path: Path, way: str) -> None:
    holder = genuine(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    def job() -> None:
        with opened(path, isolation_level=None) as db:
            getattr(db, way)("PRAGMA busy_timeout = 60000")
            db.execute("UPDATE t SET n = 1")

    try:
        run(job)
    finally:
        holder.close()
    assert watch.clock.now() >= 60 * 10**9


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_killed_transaction_is_rolled_back_and_its_locks_are_free(run: Run, path: Path, position: int) -> None:
    def job() -> None:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE t SET n = n + 1")
            db.execute("UPDATE t SET n = n + 1")
        finally:
            db.commit()
            db.close()

    result = run(job, f"A{position}!kill A")
    assert result.completed
    assert rows(path) == [(1, 2)]


def test_a_dead_worker_cannot_commit_by_any_way(run: Run, path: Path) -> None:
    def job() -> None:
        with opened(path) as db:
            try:
                db.execute("UPDATE t SET n = 1")
                db.execute("UPDATE t SET n = 2")
            finally:
                for attempt in (db.commit, lambda: db.execute("COMMIT"), lambda: db.executescript("SELECT 1")):
                    with contextlib.suppress(BaseException):
                        attempt()

    run(job, "A1!kill")
    first = [event for event in run(job, "A1!kill").trace.events if event.attempt == 1]
    assert [event.happening for event in first][-1] is Happening.KILLED


def test_connections_of_a_pool_are_ordinary_again_afterwards(run: Run, path: Path) -> None:
    pool: list[sqlite3.Connection] = []

    def job() -> None:
        if not pool:
            pool.append(sqlite3.connect(path, check_same_thread=False, timeout=7))
        with pool[0]:
            pool[0].execute("UPDATE t SET n = 1")

    run(job)
    (db,) = pool
    with contextlib.closing(db):
        assert db.execute("PRAGMA busy_timeout").fetchone() == (7000,)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        db.execute("UPDATE t SET n = 3")
        db.commit()
    assert rows(path) == [(1, 3)]


def test_an_injected_failure_is_the_drivers_own(run: Run, path: Path) -> None:
    result = run(increments(path), "A2!fail A")
    assert any("OperationalError: disk I/O error" in text for text in seen(result))
    assert rows(path) == [(1, 1)]


def test_the_thread_check_of_sqlite3_still_holds(run: Run, path: Path) -> None:
    kept: list[sqlite3.Connection] = []

    def job() -> None:
        if kept:
            kept[0].execute("SELECT n FROM t")
        else:
            with opened(path) as db:
                kept.append(db)
                db.execute("SELECT n FROM t")
                db.execute("SELECT id FROM t")

    result = run(job, "A1 B A")
    errors = [event.detail for event in result.trace.events if event.happening is Happening.RAISED]
    assert "can only be used in that same thread" in errors[0]


def test_a_connection_that_is_kept_serves_the_next_delivery(run: Run, path: Path) -> None:
    kept: list[sqlite3.Connection] = []

    def job() -> None:
        if not kept:
            kept.append(sqlite3.connect(path))
        with kept[0]:
            kept[0].execute("UPDATE t SET n = n + 1 WHERE id = 1")

    result = run(job, "A A")
    assert [event.detail for event in result.trace.events if event.happening is Happening.RAISED] == []
    assert rows(path) == [(1, 2)]
    kept[0].close()


def test_a_connection_that_two_copies_use_in_one_transaction_is_told(run: Run, path: Path) -> None:
    kept: list[sqlite3.Connection] = []

    def job() -> None:
        if not kept:
            kept.append(sqlite3.connect(path, check_same_thread=False))
        with kept[0]:
            kept[0].execute("UPDATE t SET n = n + 1 WHERE id = 1")

    assert run(job, "A2 B A").oddities == ()
    kept.pop().close()
    result = run(job, "A1 B A")
    assert {code for code, _ in result.oddities} == {"JC912"}
    assert "another copy's transaction is open" in result.oddities[0][1]
    assert any("another copy's transaction is open" in event.detail for event in result.trace.events)
    kept[0].close()


TRIGGER = "TRIGGER noted AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (new.n); END"


@pytest.mark.parametrize("made", [f"CREATE TEMP {TRIGGER}", f"CREATE {TRIGGER}"])
def test_a_schema_that_nobody_else_can_see_makes_a_change_touch_the_whole_database(
    run: Run, path: Path, made: str
) -> None:
    def job() -> None:
        with opened(path, isolation_level=None) as db:
            db.execute("CREATE TABLE IF NOT EXISTS log (n)")
            db.execute("BEGIN")
            db.execute(made)
            db.execute("UPDATE t SET n = 1 WHERE id = 1")
            db.execute("ROLLBACK")

    changed = next(effect for effect in effects(run(job)) if effect.label.startswith("UPDATE"))
    assert f"sql:{path}" in {touch.resource for touch in changed.touches}


def test_the_dead_do_not_commit_by_setting_the_isolation_level(run: Run, path: Path) -> None:
    def job() -> None:
        with opened(path) as db:
            try:
                db.execute("INSERT INTO t VALUES (2, 0)")
                db.execute("INSERT INTO t VALUES (3, 0)")
            finally:
                db.isolation_level = None  # commits, if a transaction is open

    result = run(job, "A1!kill A")
    assert [label for label in seen(result) if "COMMIT" in label] == ["COMMIT"]
    assert rows(path) == [(1, 0), (2, 0), (3, 0)]
