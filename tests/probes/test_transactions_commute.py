"""Statements of two copies inside transactions: those that are called independent give the same in either order."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.ports import Worker
from jobchaos.explore.independence import dependent, lasting
from jobchaos.probes.sqlite import SQLiteProbe
from jobchaos.probes.sqlite_catalog import Catalog
from jobchaos.probes.sqlite_locks import KeptLocks, SQLiteLocks
from tests.probes.conftest import Watch, effects

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 0), (2, 0), (3, 0); CREATE TABLE u (n);"
BEGIN, IMMEDIATE, EXCLUSIVE, READ_ROW, READ_OTHER_ROW, READ_TABLE, WRITE_ROW, WRITE_OTHER_ROW, INSERT, COMMIT = SQL = [
    "BEGIN",
    "BEGIN IMMEDIATE",
    "BEGIN EXCLUSIVE",
    "SELECT n FROM t WHERE id = 1",
    "SELECT n FROM t WHERE id = 2",
    "SELECT n FROM u",
    "UPDATE t SET n = n + 1 WHERE id = 1",
    "UPDATE t SET n = n + 1 WHERE id = 2",
    "INSERT INTO u VALUES (1)",
    "COMMIT",
]
Step = tuple[str, bool]
"""A statement, and whether the transaction is rolled back after it, which is no effect."""
steps = st.tuples(st.sampled_from(SQL), st.integers(0, 5).map(lambda number: number == 0))


class Copy:
    """A connection that nobody watches, and the effects that it would make. It is its own worker."""

    def __init__(self, path: Path, catalog: Catalog) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, timeout=0)
        self.db.execute("PRAGMA cache_spill = OFF")
        self.kept = KeptLocks(SQLiteLocks(f"sql:{path}"))
        self.held: list[str] = []
        self.pending: dict[Touch, None] = {}
        self.catalog = catalog

    def hold(self, resource: str, *, by_effect: bool) -> None:
        assert by_effect
        self.held.append(resource)

    def let_go(self, resource: str) -> None:
        self.held.remove(resource)

    def run(self, sql: str, roll_back: bool) -> tuple[Effect, object]:
        """Returns the effect, with the locks that are held before it or after it, and its result."""
        worker = cast("Worker", self)
        statement = self.catalog.statement(sql, ())
        if sql == COMMIT:
            changed = bool(self.pending)
            effect = Effect("sql", sql, tuple(self.pending), changed, locks=self.kept.commit(changed=changed))
        else:
            alone = not self.db.in_transaction
            locks = self.kept.needed_by(statement, sql, autocommit=alone, level=None)
            effect = Effect("sql", sql, statement.touches_of(((),)), locks=locks)
        before = tuple(self.held)
        try:
            cursor = self.db.execute(sql)
            result: object = (cursor.fetchall(), cursor.rowcount)
            self.pending.update(dict.fromkeys(touch for touch in effect.touches if touch.mode is not Mode.READ))
        except sqlite3.OperationalError as error:
            result = str(error)
        if self.db.in_transaction:
            self.kept.keep(worker, effect.locks)
        if roll_back and self.db.in_transaction:
            self.db.rollback()
        if not self.db.in_transaction:
            self.kept.transaction_over()
            self.pending.clear()
        return effect.under(dict.fromkeys((*before, *self.held))), result


def executed(
    folder: Path, journal: str, prefix: list[tuple[int, Step]], last: tuple[Step, Step], first: int
) -> tuple[bool, object]:
    """Whether the last steps are independent, and all that can be seen if they are taken in this order."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "app.db"
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)))
        other.execute("PRAGMA synchronous = OFF")
        other.execute(f"PRAGMA journal_mode = {journal}")
        other.executescript(SCHEMA)
        catalog = stack.enter_context(contextlib.closing(Catalog(str(path), False, f"sql:{path}")))
        for sql in SQL:
            catalog.statement(sql, ())
        copies = [Copy(path, catalog) for _ in last]
        for copy in copies:
            stack.callback(copy.db.close)
        for number, step in prefix:
            copies[number].run(*step)
        made = {number: copies[number].run(*last[number]) for number in (first, 1 - first)}
        locked = [tried(other, sql) for sql in ("SELECT * FROM t", "SELECT * FROM u", "UPDATE t SET n = 9")]
        ends = [copy.run(COMMIT, True)[1] for copy in copies]
        seen = [made[0][1], made[1][1], locked, ends, tried(other, "SELECT * FROM t"), tried(other, "SELECT * FROM u")]
        return not dependent(made[0][0], made[1][0]), seen


def test_a_query_that_is_over_before_the_next_effect_locks_nothing(watch: Watch, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db")) as made:
        made.executescript(SCHEMA)

    def job() -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as db:
            cursor = db.execute(READ_ROW)
            assert cursor.fetchone() == (0,)
            db.execute("SELECT n FROM t").fetchall()
            unfinished = db.execute("SELECT n FROM t")
            unfinished.fetchone()
            db.execute(WRITE_OTHER_ROW)

    one_row, all_rows, unfinished, write = lasting(effects(watch(job, "A", SQLiteProbe(watch.bindings))))
    assert not dependent(one_row, write._replace(locks=write.locks[:1]))
    assert not dependent(one_row, all_rows)
    assert dependent(unfinished, Effect("sql", "", locks=write.locks[:1]))


def test_sqlite3_ends_a_query_with_the_row_that_is_its_last(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        path = tmp_path / "app.db"
        one, other = (stack.enter_context(contextlib.closing(sqlite3.connect(path, timeout=0))) for _ in range(2))
        one.executescript(SCHEMA)
        cursor = one.execute(READ_ROW)
        assert tried(other, WRITE_ROW) == []
        assert _commits(other) is False
        cursor.fetchone()
        assert _commits(other) is True


def _commits(db: sqlite3.Connection) -> bool:
    try:
        db.commit()
    except sqlite3.OperationalError:
        return False
    return True


def tried(db: sqlite3.Connection, sql: str) -> object:
    try:
        return db.execute(sql).fetchall()
    except sqlite3.OperationalError as error:
        return str(error)


@pytest.mark.parametrize("journal", ["delete", "wal"])
@given(prefix=st.lists(st.tuples(st.integers(0, 1), steps), max_size=6), one=steps, other=steps)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(prefix=[(0, (IMMEDIATE, False))], one=(WRITE_ROW, False), other=(READ_OTHER_ROW, False))
@example(prefix=[(0, (BEGIN, False)), (0, (READ_ROW, False))], one=(READ_TABLE, True), other=(INSERT, False))
@example(prefix=[(0, (BEGIN, False)), (1, (BEGIN, False))], one=(READ_ROW, False), other=(READ_TABLE, False))
def test_independent_steps_commute(
    tmp_path: Path, journal: str, prefix: list[tuple[int, Step]], one: Step, other: Step
) -> None:
    independent, seen = executed(tmp_path / "db", journal, prefix, (one, other), 0)
    if independent:
        assert executed(tmp_path / "db", journal, prefix, (one, other), 1)[1] == seen
