"""Small applications with ordinary tests, as they are: run with `--jobchaos` in a process of their own."""

from __future__ import annotations

import re

import pytest

DATABASE = """
import sqlite3
from contextlib import closing

path = None


def run(*statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return [db.execute(statement).fetchall() for statement in statements]
"""

FIXTURE = """
import pytest

import app


@pytest.fixture(autouse=True)
def database(tmp_path):
    app.path = tmp_path / "app.db"
    app.run("CREATE TABLE users (id INTEGER PRIMARY KEY, points INTEGER)", "INSERT INTO users VALUES (1, 0)")


def points():
    return app.run("SELECT points FROM users")[0][0][0]
"""


def run(pytester: pytest.Pytester, *options: str, app: str, test_app: str) -> pytest.RunResult:
    """Run a suite.

    Args:
        pytester: Pytest's own fixture.
        *options: Further ones.
        app: The application's module, beside what it needs of a database.
        test_app: Its tests, beside a fixture for that database.
    """
    pytester.makeini("[pytest]\npythonpath = .\n")
    pytester.makepyfile(app=DATABASE + app, test_app=FIXTURE + test_app)
    off = [f"no:{plugin}" for plugin in ("cacheprovider", "randomly", "celery")]
    return pytester.runpytest_subprocess(*(word for name in off for word in ("-p", name)), "--jobchaos", *options)


def causes(result: pytest.RunResult) -> list[tuple[str, str, str]]:
    """Code, grade and task of each."""
    return [found for line in result.outlines for found in re.findall(r"^(JC\d+) \[([AB])\] (\S+)", line)]
