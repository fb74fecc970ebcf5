"""attempt(): jobs under check are told which execution they are; everybody else is the first."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

import jobchaos


def test_outside_a_check_every_execution_is_the_first() -> None:
    assert jobchaos.attempt() == 1


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_redelivered_job_is_told_and_no_number_of_crashes_is_claimed(tmp_path: Path, isolation: str) -> None:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE seen (attempt INTEGER PRIMARY KEY); CREATE TABLE done (id INTEGER PRIMARY KEY)")

    def job() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (jobchaos.attempt(),))
            db.execute("INSERT OR IGNORE INTO done VALUES (1)")

    settings = jobchaos.Settings(profile="quick", isolation=isolation, ignore=("seen",))
    verdict = jobchaos.check(job, faults=["crash"], settings=settings)
    assert verdict.status == "holds"
    assert "<= 2 crashes in sequence (not any number, as the job looks at its attempt number)" in verdict.claim
    settings = jobchaos.Settings(profile="quick", isolation=isolation)
    (finding,) = jobchaos.check(job, faults=["crash"], settings=settings).findings
    assert finding.code == "JC303"
