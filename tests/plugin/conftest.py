"""A project with a database and some jobs, in which inner pytest runs take place."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

# Inner runs take place in this process, and take every module away again that they were the first to import.
import jobchaos.checking
import jobchaos.explore.strategies
import jobchaos.fake_clock  # noqa: F401
from jobchaos import adapters

CONFTEST = """
import sqlite3
from contextlib import closing

import pytest

import jobs


@pytest.fixture(autouse=True)
def database(tmp_path):
    jobs.path = tmp_path / "app.db"
    with closing(sqlite3.connect(jobs.path)) as db:
        db.executescript("CREATE TABLE users (id INTEGER PRIMARY KEY, points INTEGER); INSERT INTO users VALUES (1, 0)")
"""

JOBS = """
import sqlite3
from contextlib import closing

path = None


def run(*statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def adds(points):
    run(f"UPDATE users SET points = points + {points}")


def sets(points):
    run(f"UPDATE users SET points = {points}")


def checks_then_adds():
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        if db.execute("SELECT points FROM users").fetchone()[0] == 0:
            db.execute("UPDATE users SET points = points + 10")


def marks_then_adds():
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        if db.execute("INSERT OR IGNORE INTO users VALUES (2, 0)").rowcount:
            db.execute("UPDATE users SET points = 10 WHERE id = 1")


class Shop:
    def sets(self, points):
        sets(points)


async def sets_later(points):
    sets(points)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project but for `jobs.py`, a conftest and an empty ini file, run as at somebody's desk."""
    for name in ("CI", "BUILD_NUMBER"):  # where pytest finds them, it does not shorten its summary
        monkeypatch.delenv(name, raising=False)
    for system in adapters.SYSTEMS:  # that other tests have imported; this project has none
        monkeypatch.delitem(sys.modules, system, raising=False)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(jobs=JOBS)
    pytester.makeini("[pytest]\n")
    pytester.syspathinsert()
    return pytester


Runs = Callable[..., pytest.RunResult]


@pytest.fixture
def runs(project: pytest.Pytester) -> Runs:
    """`runs(test_code, *options)`: run pytest on one test module that can use `jobs`."""

    def run(code: str, *options: str) -> pytest.RunResult:
        project.makepyfile(test_it=f"import pytest\nimport jobs\n\n{code}\n")
        return project.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly", *options)

    return run
