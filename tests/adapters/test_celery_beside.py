"""Zero-change mode beside other plugins, and with fixtures of all scopes, in a process of its own with Celery."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.small_suite import causes, run

pytest.importorskip("celery")

SHOP = Path(__file__).parents[2] / "examples" / "shop"

APP = """
from celery import Celery

celery = Celery("app", broker="memory://")
celery.conf.update(task_always_eager=True, task_eager_propagates=True)


@celery.task
def credit(points):
    run(f"UPDATE users SET points = points + {points}")


@celery.task(acks_late=True, reject_on_worker_lost=True)
def set_to(points):
    run(f"UPDATE users SET points = {points}")
"""

TESTS = """
import unittest

made = []

@pytest.fixture(scope="module", params=[1, 2])
def factor(request):
    made.append(request.param)
    return request.param

@pytest.fixture(scope="class")
def basket():
    return {"points": 5}

class TestBasket:
    @pytest.fixture(autouse=True)
    def own(self, basket):
        self.basket = dict(basket)

    def test_set(self):
        app.set_to.delay(self.basket.pop("points"))
        assert points() == 5

    def test_credit(self, basket):
        app.credit.delay(basket["points"])
        assert points() == 5

@pytest.mark.parametrize("task", [app.credit, app.set_to], ids=["credit", "set_to"])
@pytest.mark.parametrize("many", [3, 4])
def test_many(factor, task, many):
    task.delay(factor * many)
    assert points() == factor * many

class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.many = 6

    def setUp(self):
        self.many += 1

    def test_set(self):
        app.set_to.delay(self.many)
        with self.subTest("points"):
            self.assertEqual(points(), 7)
        with self.subTest("many"):
            self.assertEqual(self.many, 7)
"""


@pytest.mark.thorough
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="alone"),
        pytest.param(("-n", "2"), id="xdist"),
        pytest.param(("-p", "randomly", "--randomly-seed=3"), id="randomly"),
        pytest.param(("--reruns", "1"), id="rerunfailures"),
    ],
)
def test_one_cause_whatever_is_beside_us(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    plugin = {"-n": "xdist", "-p": "pytest_randomly", "--reruns": "pytest_rerunfailures"}
    if options:
        pytest.importorskip(plugin[options[0]])
    result = run(pytester, *options, app=APP, test_app=TESTS)
    assert causes(result) == [("JC103", "A", "app.credit")]
    assert result.parseoutcomes()["passed"] == 11
    result.stdout.fnmatch_lines(["Celery: 11 of 11 tests execute tasks, *"])
    assert not [line for line in result.outlines if line.startswith("JC942")]
    assert ("randomly-seed" in result.stdout.str().replace("random seed", "")) is ("randomly" in options)


FLAKY = """
tries = []

def test_flaky():
    app.credit.delay(5)
    tries.append(1)
    assert len(tries) > 1
"""


@pytest.mark.thorough
def test_what_passes_only_the_second_time_is_said_not_to_be_re_runnable(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures")
    result = run(pytester, "--reruns", "2", app=APP, test_app=FLAKY)
    assert causes(result) == []
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["JC942 not re-runnable: test_app.py::test_flaky: it does not pass without any fault"])


@pytest.mark.thorough
def test_the_shop_in_random_order(pytester: pytest.Pytester) -> None:
    for needed in ("pytest_randomly", "pytest_django"):
        pytest.importorskip(needed)
    pytester.copy_example(str(SHOP))
    result = pytester.runpytest_subprocess(
        "--jobchaos", "-p", "no:cacheprovider", "-p", "randomly", "-p", "no:xdist", "--randomly-seed=7"
    )
    assert {task for _, _, task in causes(result)} == {
        f"shop.tasks.{name}" for name in ("award_points", "send_receipt", "capture_payment")
    }
