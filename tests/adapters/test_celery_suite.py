"""Celery: a small application whose suite nobody has changed."""

from __future__ import annotations

import pytest

from tests.adapters.small_suite import causes, run

pytest.importorskip("celery")
pytestmark = pytest.mark.thorough

APP = """
from celery import Celery

app = Celery("app", broker="memory://", backend="cache+memory://")
app.conf.update(task_always_eager=True, task_eager_propagates=True)


@app.task
def credit(points):
    run(f"UPDATE users SET points = points + {points}")


@app.task(acks_late=True, reject_on_worker_lost=True)
def set_to(points):
    run(f"UPDATE users SET points = {points}")


@app.task(bind=True, max_retries=3, default_retry_delay=0)
def flaky(self, points):
    if self.request.retries < 2:
        raise self.retry()
    run(f"UPDATE users SET points = {points}")


@app.task
def enqueues(points):
    set_to.delay(points)
"""

TESTS = """
def test_delay():
    app.credit.delay(5)
    assert points() == 5

def test_apply():
    app.credit.apply(args=[5])
    assert points() == 5

def test_direct():
    app.credit(5)
    assert points() == 5

def test_run():
    app.credit.run(5)
    assert points() == 5

def test_signature():
    app.set_to.s(5).delay()
    assert points() == 5

def test_chain():
    (app.set_to.si(4) | app.set_to.si(5)).delay()
    assert points() == 5

def test_retries():
    app.app.conf.task_eager_propagates = False
    try:
        assert app.flaky.delay(3).state == "SUCCESS"
    finally:
        app.app.conf.task_eager_propagates = True
    assert points() == 3
"""

WORKER = """
from celery.contrib.testing.worker import start_worker

@pytest.fixture(scope="session")
def worker():
    app.app.conf.update(task_always_eager=False, broker_transport_options={"polling_interval": 0.005})
    with start_worker(app.app, perform_ping_check=False, shutdown_timeout=20):
        yield

def test_credit(worker):
    app.credit.delay(5).get(timeout=10, interval=0.005)
    assert points() == 5

def test_set(worker):
    app.set_to.delay(5).get(timeout=10, interval=0.005)
    assert points() == 5
"""


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "2"), marks=pytest.mark.thorough)], ids=["alone", "xdist"])
def test_exactly_the_broken_task_is_reported(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    result = run(pytester, *workers, app=APP, test_app=TESTS)
    assert causes(result) == [("JC103", "A", "app.credit")]
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["Celery: 7 of 7 tests execute tasks, *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.thorough
def test_a_worker_in_the_test_process(pytester: pytest.Pytester) -> None:
    result = run(pytester, app=APP, test_app=WORKER)
    assert causes(result) == [("JC103", "A", "app.credit")]
    result.assert_outcomes(passed=2)


def test_messages_that_nobody_works_off_are_explained(pytester: pytest.Pytester) -> None:
    quiet = APP.replace("task_always_eager=True", "task_always_eager=False")
    result = run(pytester, app=quiet, test_app="def test(): app.credit.delay(5)\n")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["Celery: 0 of 1 tests execute tasks*", "JC944 1 test * set task_always_eager*"])


def test_a_message_enqueued_again_is_found_if_nobody_executes_it(pytester: pytest.Pytester) -> None:
    quiet = APP.replace("task_always_eager=True", "task_always_eager=False")
    result = run(pytester, app=quiet, test_app="def test(): app.enqueues(5)\n")
    assert causes(result) == [("JC101", "A", "app.enqueues")]
    result.stdout.fnmatch_lines(["*ENQUEUE app.set_to(5)*"])


def test_messages_for_another_machine_are_sent_by_nobody_but_the_suite(pytester: pytest.Pytester) -> None:
    app = APP.replace("memory://", "amqp://broker.example.com//", 1)
    test = """
from unittest import mock

def test():
    app.app.conf.task_always_eager = False
    with mock.patch("kombu.messaging.Producer.publish"), mock.patch("kombu.messaging.Producer.maybe_declare"):
        app.set_to(5)
        app.set_to.delay(6)
"""
    result = run(pytester, app=app, test_app=test)
    result.stdout.fnmatch_lines(["*0 of them replayed*", "JC942 not re-runnable*its messages go to a broker on*"])
