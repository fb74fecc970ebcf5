"""Zero-change mode on small applications of real job systems, each in a process of its own and unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.plugin.test_suite import causes

CELERY = """
import sqlite3
from contextlib import closing

from celery import Celery

app = Celery("app", broker="memory://", backend="cache+memory://")
app.conf.update(task_always_eager=True, task_eager_propagates=True)
path = None


def run(*statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return [db.execute(statement).fetchall() for statement in statements]


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
"""

FIXTURE = """
import sqlite3
from contextlib import closing

import pytest

import app


@pytest.fixture(autouse=True)
def database(tmp_path):
    app.path = tmp_path / "app.db"
    app.run("CREATE TABLE users (id INTEGER PRIMARY KEY, points INTEGER)", "INSERT INTO users VALUES (1, 0)")


def points():
    return app.run("SELECT points FROM users")[0][0][0]
"""

CELERY_TESTS = (
    FIXTURE
    + """
def test_delay():
    app.credit.delay(5)
    assert points() == 5

def test_apply():
    app.credit.apply(args=[5])
    assert points() == 5

def test_direct():
    app.credit(5)
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
)


def run(pytester: pytest.Pytester, *options: str, **files: str) -> pytest.RunResult:
    """Run a suite in a process of its own."""
    pytester.makeini("[pytest]\npythonpath = .\n")
    pytester.makepyfile(**files)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:celery", *options)


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "2"), marks=pytest.mark.thorough)], ids=["alone", "xdist"])
def test_celery(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytest.importorskip("celery")
    result = run(pytester, "--jobchaos", *workers, app=CELERY, test_app=CELERY_TESTS)
    assert causes(result) == [("JC103", "A", "app.credit")]
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["Celery: 6 of 6 tests execute tasks, *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.thorough
def test_celery_in_a_worker_of_its_own(pytester: pytest.Pytester) -> None:
    pytest.importorskip("celery")
    code = (
        FIXTURE
        + """
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
    )
    result = run(pytester, "--jobchaos", app=CELERY, test_app=code)
    assert causes(result) == [("JC103", "A", "app.credit")]
    result.assert_outcomes(passed=2)


def test_celery_that_is_not_eager(pytester: pytest.Pytester) -> None:
    pytest.importorskip("celery")
    code = FIXTURE + "def test(): app.credit.delay(5)\n"
    quiet = CELERY.replace("task_always_eager=True", "task_always_eager=False")
    result = run(pytester, "--jobchaos", app=quiet, test_app=code)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["Celery: 0 of 1 tests execute tasks*", "JC944 1 test * set task_always_eager*"])


SHOP = Path(__file__).parents[2] / "examples" / "shop"


def test_the_shop_has_three_causes_and_its_sound_tasks_are_silent(pytester: pytest.Pytester) -> None:
    pytester.copy_example(str(SHOP))
    command = ("--jobchaos", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", ".")
    result = pytester.runpytest_subprocess(*command)
    assert causes(result) == [
        ("JC103", "A", "shop.tasks.award_points"),
        ("JC101", "A", "shop.tasks.send_receipt"),
        ("JC301", "A", "shop.tasks.capture_payment"),
    ]
    assert result.parseoutcomes()["passed"] >= 40
    assert not [line for line in result.outlines if line.startswith(("JC942", "JC943"))]
    assert re.search(r"^Celery: \d+ of \d+ tests execute tasks", result.stdout.str(), re.MULTILINE)


@pytest.mark.thorough
def test_the_shop_in_random_order(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_randomly")
    pytester.copy_example(str(SHOP))
    result = pytester.runpytest_subprocess(
        "--jobchaos", "-p", "no:cacheprovider", "-p", "randomly", "-p", "no:xdist", "--randomly-seed=7"
    )
    assert {task for _, _, task in causes(result)} == {
        f"shop.tasks.{name}" for name in ("award_points", "send_receipt", "capture_payment")
    }


def test_without_a_job_system_nothing_is_loaded(pytester: pytest.Pytester) -> None:
    check = (
        "import sys\ndef test(): assert not {'jobchaos.suite.director', 'jobchaos.probes.base'} & set(sys.modules)\n"
    )
    run(pytester, "--jobchaos", test_it=check).assert_outcomes(passed=1)
