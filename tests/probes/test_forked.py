"""Probes in forked workers: what was open before the fork is not shared with the child, and death is real."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobchaos.conformance.trial_run import SameConditions
from jobchaos.core.ports import Probe
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.engine.fork import Forks
from jobchaos.engine.runner import Runner
from jobchaos.engine.stage import Stage
from jobchaos.engine.worker import ThreadWorker
from jobchaos.engine.world import World
from jobchaos.probes.sqlalchemy import SQLAlchemyProbe
from jobchaos.probes.sqlite import SQLiteProbe
from tests.probes.conftest import Watch, seen

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    database = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)")
    return database


def threaded_then_forked(watch: Watch, job: Callable[[], object], token: str, *probes: Probe) -> list[RunResult]:
    """Run a schedule in a thread first, and then in forked workers, under the same probes."""
    stage, conditions = Stage(watch.clock, World(lambda _: watch.recorder)), SameConditions(watch.clock)
    with Forks(conditions) as forks, stage.watching([*probes, watch.bindings]):
        return [
            Runner(stage, lambda _letter: job, conditions, 4, 20.0, hire).run(Schedule.parse(token))
            for hire in (ThreadWorker, forks)
        ]


def test_a_connection_that_another_process_has_opened_is_refused(watch: Watch, path: Path) -> None:
    kept: list[sqlite3.Connection] = []

    def job() -> None:
        if not kept:
            kept.append(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        kept[0].execute("UPDATE t SET n = 1")

    threaded, forked = threaded_then_forked(watch, job, "A", SQLiteProbe(watch.bindings))
    kept[0].close()
    assert threaded.completed
    assert threaded.oddities == ()
    assert forked.copies["A"].error == "ProgrammingError: this connection was opened in another process"
    assert [code for code, _ in forked.oddities] == ["JC912"]


def test_a_pool_gives_the_child_a_connection_of_its_own(watch: Watch, path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.QueuePool)

    def job() -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE t SET n = n + 1"))

    runs = threaded_then_forked(watch, job, "A", SQLiteProbe(watch.bindings), SQLAlchemyProbe())
    assert [(run.completed, run.oddities) for run in runs] == [(True, ())] * 2
    with engine.begin() as connection:  # this process's own still works
        assert connection.execute(sa.text("SELECT n FROM t")).scalar_one() == 2
    engine.dispose()


def test_the_journal_is_kept_where_death_is_real(watch: Watch, path: Path) -> None:
    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode").fetchone()

    runs = threaded_then_forked(watch, job, "A", SQLiteProbe(watch.bindings))
    assert [seen(run) for run in runs] == [["PRAGMA journal_mode -> 'memory'"], ["PRAGMA journal_mode -> 'delete'"]]


def test_what_a_transaction_has_spilled_is_rolled_back_after_a_real_death(watch: Watch, path: Path) -> None:
    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA cache_size = 1")
            db.execute("BEGIN")
            for _ in range(20):
                db.execute("INSERT INTO t SELECT hex(randomblob(3000))")  # more pages than fit: written before COMMIT
            db.execute("UPDATE t SET n = 1")
            db.execute("ROLLBACK")

    _, forked = threaded_then_forked(watch, job, "A22!kill", SQLiteProbe(watch.bindings))
    assert forked.copies["A"].attempts == 2
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT n FROM t").fetchall() == [(0,)]


def test_a_lock_of_a_dead_process_is_free(watch: Watch, path: Path) -> None:
    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            db.execute("UPDATE t SET n = n + 1")
            db.execute("COMMIT")

    _, forked = threaded_then_forked(watch, job, "A2!kill B A", SQLiteProbe(watch.bindings))
    assert forked.completed
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT n FROM t").fetchall() == [(4,)]  # twice in threads, twice in processes


def test_copies_in_processes_wait_for_a_lock_in_the_schedule(watch: Watch, path: Path) -> None:
    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE t SET n = n + 1")
            db.execute("COMMIT")

    threaded, forked = threaded_then_forked(watch, job, "A2 B A", SQLiteProbe(watch.bindings))
    assert [(event.happening, event.copy, event.detail) for event in forked.trace.events] == [
        (event.happening, event.copy, event.detail) for event in threaded.trace.events
    ]
    assert forked.completed
