"""A database in WAL mode is whole in its file when the job has closed it, as it is without a check."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.probes.sqlite import SQLiteProbe
from tests.probes.conftest import Watch

CONTENT = "a row that the job has written"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    prepare(path)
    return path


def prepare(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")


def write(db: sqlite3.Connection) -> None:
    db.execute("INSERT OR REPLACE INTO t VALUES (1, ?)", (CONTENT,))
    db.commit()


def copies_after_it_has_closed(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        write(db)
    shutil.copyfile(path, path.with_name("copy.db"))


def copies_while_it_is_open(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        write(db)
        shutil.copyfile(path, path.with_name("copy.db"))


def copies_while_another_connection_is_open(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("SELECT 1 FROM t").fetchall()
        with contextlib.closing(sqlite3.connect(path)) as db:
            write(db)
        shutil.copyfile(path, path.with_name("copy.db"))


@pytest.mark.parametrize(
    ("job", "is_whole"),
    [
        (copies_after_it_has_closed, True),
        (copies_while_it_is_open, False),
        (copies_while_another_connection_is_open, False),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_copy_of_the_file_holds_what_it_holds_without_a_check(
    watch: Watch, path: Path, job: Callable[[Path], None], is_whole: bool
) -> None:
    copy = path.with_name("copy.db")
    job(path)
    assert (CONTENT.encode() in copy.read_bytes()) is is_whole
    copy.unlink()
    path.unlink()
    prepare(path)
    watch(lambda: job(path), "A", SQLiteProbe(watch.bindings))
    assert (CONTENT.encode() in copy.read_bytes()) is is_whole


def test_a_dead_worker_closes_nothing(watch: Watch, path: Path) -> None:
    sizes = []

    def job() -> None:
        sizes.append(path.with_name("app.db-wal").stat().st_size)
        with contextlib.closing(sqlite3.connect(path)) as db:
            write(db)
            db.execute("DELETE FROM t")

    with contextlib.closing(sqlite3.connect(path)) as holder:
        holder.execute("SELECT 1 FROM t").fetchall()
        watch(job, "A A2!kill A", SQLiteProbe(watch.bindings))
    _, before, after = sizes
    assert before == 0, "the first delivery was over"
    assert after > 0


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_who_copies_it_when_it_is_closed_is_checked_like_any_other(path: Path, isolation: str) -> None:
    settings = Settings(profile="quick", isolation=isolation)
    verdict = check(lambda: copies_after_it_has_closed(path), faults=["duplicate", "crash"], settings=settings)
    assert verdict.status == "holds", verdict.findings
    assert CONTENT.encode() in path.with_name("copy.db").read_bytes()


def test_a_file_that_is_renamed_when_it_is_closed_takes_everything_along(path: Path) -> None:
    def archives() -> None:
        if path.exists():
            with contextlib.closing(sqlite3.connect(path)) as db:
                write(db)
            path.rename(path.with_name("archive.db"))

    verdict = check(archives, faults=["duplicate", "crash"], settings=Settings(profile="quick", isolation="thread"))
    assert verdict.status == "holds", verdict.findings
    assert CONTENT.encode() in path.with_name("archive.db").read_bytes()
