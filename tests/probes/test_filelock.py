"""The library filelock: its locks are fcntl's, and copies wait for them in virtual time."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from jobchaos import Settings, check

filelock = pytest.importorskip("filelock")

QUICK = Settings(profile="quick")


@pytest.fixture
def pay(tmp_path: Path) -> Callable[[object], None]:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE payments (cents INTEGER)")

    def once(lock: object) -> None:
        with lock, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:  # type: ignore[attr-defined]
            if not db.execute("SELECT count(*) FROM payments").fetchone()[0]:
                db.execute("INSERT INTO payments VALUES (1000)")

    return once


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_its_locks_keep_copies_apart_and_die_with_their_worker(
    tmp_path: Path, pay: Callable[[object], None], isolation: str
) -> None:
    settings = QUICK.override({"isolation": isolation}, "the test")
    verdict = check(lambda: pay(filelock.FileLock(tmp_path / "pay.lock", timeout=60)), settings=settings)
    assert verdict.status == "holds", verdict.findings
