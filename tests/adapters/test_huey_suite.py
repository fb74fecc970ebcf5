"""Huey: a small application whose suite nobody has changed."""

from __future__ import annotations

import pytest

from tests.adapters.small_suite import causes, run

pytest.importorskip("huey")

APP = """
from huey import MemoryHuey

huey = MemoryHuey(immediate=True)


@huey.task()
def credit(points):
    run(f"UPDATE users SET points = points + {points}")


@huey.task(retries=2)
def set_to(points):
    run(f"UPDATE users SET points = {points}")


@huey.task()
def passes_on(points):
    set_to(points)
"""

TESTS = """
def test_immediate():
    app.credit(5)
    assert points() == 5

def test_local():
    app.credit.call_local(5)
    assert points() == 5

def test_sound():
    app.set_to(5)
    assert points() == 5

def test_children():
    app.passes_on(5)
    assert points() == 5

def test_by_hand():
    app.huey.immediate = False
    try:
        app.set_to(5)
        app.huey.execute(app.huey.dequeue())
    finally:
        app.huey.immediate = True
    assert points() == 5
"""


def test_exactly_the_broken_task_is_reported(pytester: pytest.Pytester) -> None:
    result = run(pytester, app=APP, test_app=TESTS)
    (cause,) = causes(result)
    assert cause[:2] == ("JC103", "A")
    assert cause[2].endswith("credit")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["Huey: 5 of 5 tests execute tasks, *"])
