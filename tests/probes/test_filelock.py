"""The library filelock: its locks are fcntl's, and copies wait for them in virtual time."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from jobchaos import Settings, check

filelock = pytest.importorskip("filelock")

QUICK = Settings(profile="quick")
REALLY = QUICK.override({"isolation": "process"}, "the test")


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


@pytest.mark.parametrize("isolation", ["thread", pytest.param("process", marks=pytest.mark.thorough)])
def test_its_locks_keep_copies_apart_and_die_with_their_worker(
    tmp_path: Path, pay: Callable[[object], None], isolation: str
) -> None:
    settings = QUICK.override({"isolation": isolation}, "the test")
    verdict = check(lambda: pay(filelock.FileLock(tmp_path / "pay.lock", timeout=60)), settings=settings)
    assert verdict.status == "holds", verdict.findings


def test_copies_that_are_killed_while_they_wait_for_it_end_earlier_than_foretold(tmp_path: Path) -> None:
    def job() -> None:
        with filelock.FileLock(tmp_path / "x.lock", timeout=5):
            (tmp_path / "out").write_text("1")

    verdict = check(job, faults=["concurrent"], settings=QUICK.override({"kills": 1}, "the test"))
    assert verdict.status == "holds", verdict.findings


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_soft_locks_keep_copies_apart(tmp_path: Path, pay: Callable[[object], None], isolation: str) -> None:
    """They are files that only one copy can create; the others poll, in virtual time."""
    settings = QUICK.override({"isolation": isolation}, "the test")
    job = functools.partial(pay_softly, pay, tmp_path)
    verdict = check(job, faults=["duplicate", "concurrent"], settings=settings)
    assert verdict.status == "holds", verdict.findings


def test_a_worker_that_dies_just_after_it_has_created_a_soft_lock_leaves_it_for_ever(
    tmp_path: Path, pay: Callable[[object], None]
) -> None:
    """Whose it is, is not yet written into it then: nobody can tell that its owner is dead."""
    verdict = check(functools.partial(pay_softly, pay, tmp_path), faults=["crash"], settings=REALLY)
    (finding,) = [finding for finding in verdict.findings if finding.gates]
    assert (finding.code, str(finding.schedule)) == ("JC304", "A2!kill A")


@pytest.mark.skipif(
    not hasattr(filelock.SoftFileLock, "_try_break_stale_lock"), reason="this filelock leaves what the dead have locked"
)
@pytest.mark.parametrize("token", ["A4!kill A", "A5!kill A"])
def test_the_soft_lock_of_a_worker_that_is_really_dead_is_broken(
    tmp_path: Path, pay: Callable[[object], None], token: str
) -> None:
    verdict = check(functools.partial(pay_softly, pay, tmp_path), settings=REALLY, schedule=token)
    assert verdict.status == "holds", verdict.findings


def pay_softly(pay: Callable[[object], None], folder: Path) -> None:
    pay(filelock.SoftFileLock(folder / "pay.lock", timeout=60))
