"""Databases lie in files: those that have a store of their own are none of the files that a job is seen to change."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from jobchaos import DirectoryStore, check
from jobchaos.core.settings import Settings

WAL = pytest.mark.parametrize("mode", ["delete", "wal"])


def execute(database: Path, *statements: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        return [row for sql in statements for row in db.execute(sql).fetchall()]


def fill(database: Path, mode: str) -> None:
    execute(
        database,
        f"PRAGMA journal_mode = {mode}",
        "CREATE TABLE IF NOT EXISTS runs (key TEXT PRIMARY KEY, number INTEGER)",
        "INSERT OR IGNORE INTO runs VALUES ('k', 1)",
    )


def statuses(job: Callable[[], None], *faults: str) -> set[str]:
    verdict = check(job, faults=faults, settings=Settings(profile="quick", isolation="thread"))
    return {verdict.status, *(finding.code for finding in verdict.findings if finding.gates)}


@WAL
def test_a_database_in_a_directory_that_the_job_makes(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "cache"

    def job() -> None:
        folder.mkdir(exist_ok=True)
        fill(folder / "app.db", mode)

    assert statuses(job, "duplicate", "crash") == {"holds"}
    assert execute(folder / "app.db", "SELECT * FROM runs") == [("k", 1)]


@WAL
def test_what_changes_in_it_is_still_seen(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "cache"

    def job() -> None:
        folder.mkdir(exist_ok=True)
        fill(folder / "app.db", mode)
        execute(folder / "app.db", "UPDATE runs SET number = number + 1")

    assert statuses(job, "duplicate") == {"fails", "JC103"}


@WAL
def test_a_database_that_the_job_removes_and_makes_anew(tmp_path: Path, mode: str) -> None:
    database = tmp_path / "app.db"
    execute(database, "CREATE TABLE precious (x)", "INSERT INTO precious VALUES (42)")

    def job() -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{database}{suffix}")
        fill(database, mode)

    assert statuses(job, "duplicate") == {"holds"}
    assert execute(database, "SELECT * FROM runs") == [("k", 1)]


@WAL
def test_a_database_that_was_removed_is_there_again_after_an_error(tmp_path: Path, mode: str) -> None:
    database = tmp_path / "app.db"
    execute(database, f"PRAGMA journal_mode = {mode}", "CREATE TABLE precious (x)", "INSERT INTO precious VALUES (42)")

    def job() -> None:
        database.unlink()
        fill(database, mode)
        (tmp_path / "other.db").touch()
        os.rename("/usr/jobchaos-nowhere", tmp_path / "refused")

    with pytest.raises(Exception, match="jobchaos-nowhere"):
        check(job, faults=["duplicate"])
    assert execute(database, "SELECT * FROM precious") == [(42,)]


def test_a_database_that_is_changed_and_then_moved(tmp_path: Path) -> None:
    database, archive = tmp_path / "app.db", tmp_path / "archive.db"
    execute(database, "CREATE TABLE runs (n)", "INSERT INTO runs VALUES (1)")

    def job() -> None:
        if database.exists():
            execute(database, "UPDATE runs SET n = n + 1")
            database.rename(archive)

    assert statuses(job, "duplicate") == {"holds"}
    assert execute(archive, "SELECT n FROM runs") == [(2,)]


@WAL
def test_a_directory_that_is_removed_with_its_database(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    fill(folder / "app.db", mode)

    def job() -> None:
        execute(folder / "app.db", "SELECT * FROM runs")
        shutil.rmtree(folder)
        folder.mkdir()
        fill(folder / "app.db", mode)

    assert statuses(job, "duplicate") == {"holds"}
    assert statuses(job, "crash") == {"fails", "JC304"}  # without the directory, it fails at once
    assert execute(folder / "app.db", "SELECT * FROM runs") == [("k", 1)]


@WAL
@pytest.mark.parametrize("number", [5, "number + 1"])
def test_a_database_in_a_directory_that_has_a_store(tmp_path: Path, mode: str, number: object) -> None:
    database = tmp_path / "app.db"
    fill(database, mode)

    def job() -> None:
        (tmp_path / "log.txt").write_text("done")
        execute(database, f"UPDATE runs SET number = {number}")

    verdict = check(job, faults=["duplicate", "crash"], stores=[DirectoryStore(tmp_path)])
    assert verdict.status == ("holds" if number == 5 else "fails")
    assert {path.name for path in tmp_path.iterdir()} >= {"log.txt", "app.db"}


def test_a_copy_of_a_database_is_a_file(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    fill(database, "delete")

    def job() -> None:
        number = len(list(tmp_path.glob("*.bak")))
        execute(database, "UPDATE runs SET number = 7")
        shutil.copy(database, tmp_path / f"{number}.bak")

    assert statuses(job, "duplicate") == {"fails", "JC103"}
