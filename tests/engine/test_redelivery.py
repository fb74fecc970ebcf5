"""What a job system decides about a message: when it is delivered again, with what, or never."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from jobchaos.core.redelivery import GivenUp, Redelivery, message
from jobchaos.core.result import CopyResult
from jobchaos.core.terms import AfterKill

if TYPE_CHECKING:
    from typing import Any as Lab  # the fixture's class lives in conftest.py


def retrying(lab: Lab, times: int) -> Callable[[], None]:
    def job() -> None:
        done = message() or 0
        assert isinstance(done, int)
        lab.steps(str(done))
        if done < times:
            raise Redelivery("again", after=60 * 10**9, message=done + 1)

    return job


@pytest.mark.parametrize("token", ["A", "A0!kill A", "A1 A"])
def test_a_redelivery_comes_at_its_time_with_what_its_message_carries(lab: Lab, token: str) -> None:
    run = lab.run(retrying(lab, 2), token)
    assert [entry[-1] for entry in lab.steps.log] == ["0", "1", "2"]
    assert run.completed
    times = [event.at for event in run.trace.events if event.happening.value == "effect"]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [60 * 10**9] * 2


def test_it_is_no_matter_of_the_budget(lab: Lab) -> None:
    assert lab.run(retrying(lab, 20), "A").copies["A"].attempts == 21


def test_one_without_end_is_given_up(lab: Lab) -> None:
    assert not lab.run(retrying(lab, 10**6), "A").completed


def test_what_is_given_up_is_not_delivered_again(lab: Lab) -> None:
    def job() -> None:
        lab.steps("once")
        raise GivenUp(ValueError("no such user"))

    run = lab.run(job, "A")
    assert lab.steps.log == ["A:once"]
    assert run.copies["A"] == CopyResult(completed=False, attempts=1, error="ValueError: no such user")


@pytest.mark.parametrize(
    ("token", "log", "fate"),
    [
        ("A1!kill", ["A:1"], AfterKill.LOST),
        ("A1!terminate", ["A:1"], AfterKill.LOST),
        ("A2!kill", ["A:1", "A:2"], AfterKill.LOST),
        ("A1!kill A", ["A:1", "A:1", "A:2"], AfterKill.REDELIVERED),
    ],
)
def test_a_lost_message_comes_again_only_if_the_schedule_says_so(
    lab: Lab, token: str, log: list[str], fate: AfterKill
) -> None:
    def job() -> None:
        lab.steps("1")
        lab.steps("2")

    run = lab.run(job, token, after_kill=AfterKill.LOST)
    assert lab.steps.log == log
    assert run.copies["A"].after_kill is fate
    assert run.completed is (fate is AfterKill.REDELIVERED)
