"""RQ: a small application whose suite nobody has changed."""

from __future__ import annotations

import pytest

from tests.adapters.small_suite import causes, run

pytest.importorskip("rq")
pytest.importorskip("fakeredis")

APP = """
import fakeredis
from rq import Queue, Retry

connection = fakeredis.FakeStrictRedis()
at_once = Queue(is_async=False, connection=connection)
later = Queue("later", connection=connection)


def credit(points):
    run(f"UPDATE users SET points = points + {points}")


def set_to(points):
    run(f"UPDATE users SET points = {points}")


def passes_on(points):
    later.enqueue(set_to, points)
"""

TESTS = """
from rq import Retry, SimpleWorker

@pytest.fixture(autouse=True)
def redis():
    app.connection.flushall()

def burst():
    SimpleWorker([app.later], connection=app.connection).work(burst=True)

def test_at_once():
    app.at_once.enqueue(app.credit, 5)
    assert points() == 5

def test_sound():
    app.at_once.enqueue(app.set_to, 5, retry=Retry(max=3))
    assert points() == 5

def test_worker():
    app.later.enqueue(app.set_to, 5)
    burst()
    assert points() == 5

def test_children():
    app.later.enqueue(app.passes_on, 5)
    burst()
    assert points() == 5
"""


def test_exactly_the_broken_job_is_reported(pytester: pytest.Pytester) -> None:
    result = run(pytester, app=APP, test_app=TESTS)
    assert causes(result) == [("JC103", "A", "app.credit")]
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["RQ: 4 of 4 tests execute tasks, *"])
