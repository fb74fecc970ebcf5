"""Dramatiq: a small application whose suite nobody has changed."""

from __future__ import annotations

import pytest

from tests.adapters.small_suite import causes, run

pytest.importorskip("dramatiq")

APP = """
import dramatiq
from dramatiq.brokers.stub import StubBroker

broker = StubBroker()
broker.emit_after("process_boot")
dramatiq.set_broker(broker)


@dramatiq.actor
def credit(points):
    run(f"UPDATE users SET points = points + {points}")


@dramatiq.actor
def set_to(points):
    run(f"UPDATE users SET points = {points}")


@dramatiq.actor
def passes_on(points):
    set_to.send(points)
"""

TESTS = """
from dramatiq import Worker

@pytest.fixture
def worker():
    app.broker.flush_all()
    worker = Worker(app.broker, worker_timeout=100, worker_threads=1)
    worker.start()
    yield worker
    worker.stop()

def join(worker):
    app.broker.join("default")
    worker.join()

def test_direct():
    app.credit(5)
    assert points() == 5

def test_credit(worker):
    app.credit.send(5)
    join(worker)
    assert points() == 5

def test_sound(worker):
    app.set_to.send(5)
    join(worker)
    assert points() == 5

def test_children(worker):
    app.passes_on.send(5)
    join(worker)
    assert points() == 5
"""


def test_exactly_the_broken_actor_is_reported(pytester: pytest.Pytester) -> None:
    result = run(pytester, app=APP, test_app=TESTS)
    assert causes(result) == [("JC103", "A", "credit")]
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["Dramatiq: 4 of 4 tests execute tasks, *"])
