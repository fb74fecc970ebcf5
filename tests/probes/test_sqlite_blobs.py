"""Values that SQLite opens in place (`blobopen`) are read and written in steps, and committed when they are closed."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 has no blobopen before Python 3.11")
_SETTINGS = Settings(profile="full")
_FAULTS = ("duplicate", "concurrent", "crash")


@pytest.fixture
def connect(tmp_path: Path) -> Callable[[], contextlib.closing[Any]]:
    path = tmp_path / "app.db"

    def connect() -> contextlib.closing[Any]:
        return contextlib.closing(sqlite3.connect(path))

    with connect() as db:
        db.executescript("CREATE TABLE files (id INTEGER PRIMARY KEY, data BLOB); CREATE TABLE done (id INTEGER)")
        db.execute("INSERT INTO files VALUES (1, x'00000000')")
        db.commit()
    return connect


Connect = Callable[[], contextlib.closing[Any]]


def test_what_is_written_is_seen_and_lost_in_a_crash_before_it_is_closed(connect: Connect) -> None:
    def sound() -> None:
        with connect() as db, db.blobopen("files", "data", 1) as blob:
            blob.write(b"ab")
            blob[3] = 7
            blob.seek(0)
            assert blob.read() == b"ab\0\x07"

    def adds() -> None:
        with connect() as db, db.blobopen("files", "data", 1) as blob:
            blob[0] += 1

    verdict = check(sound, faults=_FAULTS, settings=_SETTINGS)
    assert verdict.status == "holds", verdict.findings
    verdict = check(adds, faults=_FAULTS, settings=_SETTINGS)
    assert [finding.code for finding in verdict.findings] == ["JC103", "JC203", "JC303"], verdict.findings


def test_within_a_transaction_it_is_committed_with_the_rest(connect: Connect) -> None:
    def job() -> None:
        with connect() as db:
            db.execute("BEGIN IMMEDIATE")
            if db.execute("SELECT count(*) FROM done").fetchone() == (0,):
                with db.blobopen("files", "data", 1) as blob:
                    blob[0] += 1
                db.execute("INSERT INTO done VALUES (1)")
            db.commit()

    verdict = check(job, faults=_FAULTS, settings=_SETTINGS)
    assert verdict.status == "holds", verdict.findings


def test_a_value_that_is_read_before_it_is_written_elsewhere_is_a_lost_update(connect: Connect) -> None:
    def job() -> None:
        with connect() as db:
            with db.blobopen("files", "data", 1, readonly=True) as blob:
                first = blob[0]
                assert len(blob) == 4
            with db:
                db.execute("UPDATE files SET data = ? WHERE id = 1", (bytes([first + 1, 0, 0, 0]),))

    verdict = check(job, faults=("concurrent",), settings=_SETTINGS)
    assert [finding.code for finding in verdict.findings] == ["JC203"], verdict.findings


def test_a_row_that_is_not_there_leaves_no_transaction_open(connect: Connect) -> None:
    def job() -> None:
        with connect() as db:
            with pytest.raises(sqlite3.OperationalError, match="no such rowid"):
                db.blobopen("files", "data", 2)
            assert not db.in_transaction

    assert check(job, faults=_FAULTS, settings=_SETTINGS).status == "holds"
