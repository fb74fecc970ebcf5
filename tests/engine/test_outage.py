"""Calls that fail whenever they are tried, and policies that say when that is. Times are virtual, and so exact."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from jobchaos import RetryPolicy
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening

if TYPE_CHECKING:
    from typing import Any as Lab  # the fixture's class lives in conftest.py

S = 10**9


def three(lab: Lab) -> Callable[[], None]:
    def job() -> None:
        for label in ("x", "y", "z"):
            lab.steps(label)

    return job


def deliveries(run: RunResult) -> list[float]:
    """When its attempts began, in seconds after the first one."""
    times = [event.at for event in run.trace.events if event.happening is Happening.DELIVERED]
    return [(time - times[0]) / S for time in times]


@pytest.mark.parametrize(
    ("token", "log", "times"),
    [
        ("A1!down1", "x x y z", [0, 10]),
        ("A1!down2", "x x x y z", [0, 10, 30]),
        ("A1!down3", "x x x x y z", [0, 10, 30, 70]),
        ("A1!down3+", "x x x x y z", [0, 15, 40, 85]),
        ("A1!down", "x x x x", [0, 10, 30, 70]),
        ("A1!fail", "x x y z", [0, 10]),
        ("A1!lost", "x y x y z", [0, 10]),
        ("A1!kill A", "x x y z", [0, 1]),  # no error, so no policy: the broker delivers it again
    ],
)
def test_a_call_is_out_for_so_many_tries(lab: Lab, token: str, log: str, times: list[float]) -> None:
    lab.policy = RetryPolicy.exponential(4, 10, jitter=(0, 5))
    run = lab.run(three(lab), token)
    assert [entry.partition(":")[2] for entry in lab.steps.log] == log.split()
    assert deliveries(run) == times
    assert run.completed is (token != "A1!down")
    assert run.carried_out


def test_a_job_that_is_given_up_has_had_as_many_executions_as_the_policy_says(lab: Lab) -> None:
    lab.policy = RetryPolicy.sidekiq()
    run = lab.run(three(lab), "A0!down")
    assert run.copies["A"].attempts == 26
    assert deliveries(run) == [moment / S for moment in RetryPolicy.sidekiq().moments()]
    assert run.copies["A"].error == "OSError: no"


def test_an_outage_goes_on_within_one_attempt(lab: Lab) -> None:
    def job() -> None:
        for _ in range(3):
            with contextlib.suppress(OSError):
                lab.steps("x")
                return
        raise RuntimeError("three times")

    lab.policy = RetryPolicy(delays=[5])
    assert deliveries(lab.run(job, "A0!down2")) == [0]
    assert deliveries(lab.run(job, "A0!down4")) == [0, 5]
    run = lab.run(job, "A0!down")
    assert (deliveries(run), run.copies["A"].error) == ([0, 5], "RuntimeError: three times")


def test_other_calls_go_through_meanwhile(lab: Lab) -> None:
    def job() -> None:
        with contextlib.suppress(OSError):
            lab.steps("x")
        lab.steps("y")

    assert lab.run(job, "A0!down").completed
    assert lab.steps.log == ["A:y"]


def test_an_error_that_is_not_retryable_ends_it_at_once(lab: Lab) -> None:
    lab.policy = RetryPolicy(executions=5, retryable=(ValueError,))
    assert lab.run(three(lab), "A0!fail").copies["A"].attempts == 1


def test_a_fatal_error_of_the_policys_is_raised(lab: Lab) -> None:
    class OddError(Exception):
        def __init__(self, one: int, other: int) -> None:
            super().__init__(one + other)

    lab.policy = RetryPolicy(executions=5, fatal=(PermissionError, OddError))
    run = lab.run(three(lab), "A1!fatal")
    assert (run.copies["A"].attempts, run.copies["A"].error) == (1, "PermissionError: injected by jobchaos")
    assert lab.run(three(lab), "A1!fatal2").copies["A"].error == "OddError"


def test_an_error_may_say_itself_when_to_come_again(lab: Lab) -> None:
    def job() -> None:
        lab.steps("x")
        if len(lab.steps.log) < 3:
            raise LookupError(len(lab.steps.log) * 7)

    policy = RetryPolicy(executions=9, delays=1, retry_after=lambda e: e.args[0] if type(e) is LookupError else None)
    lab.policy = policy
    assert deliveries(lab.run(job, "A0!down1")) == [0, 1, 8, 22]


def test_a_policy_without_end_is_cut_short(lab: Lab) -> None:
    lab.policy = RetryPolicy(executions=math.inf, delays=3600)
    run = lab.run(three(lab), "A0!down")
    assert run.copies["A"].attempts == 101
    assert deliveries(run)[-1] == 100 * 3600


def test_an_attempt_that_never_stops_trying_is_stopped(lab: Lab) -> None:
    def job() -> None:
        while True:
            with contextlib.suppress(OSError):
                lab.steps("x")
                return

    run = lab.run(job, "A0!down")
    assert not run.completed
    assert run.copies["A"].attempts == 1
    assert "never gives up" in run.copies["A"].error


def test_the_hook_is_run_once_when_the_job_is_given_up(lab: Lab) -> None:
    heard: list[BaseException] = []

    def hook(error: BaseException) -> None:
        heard.append(error)
        lab.steps("dead letter")

    lab.policy = RetryPolicy(executions=2, on_give_up=hook)
    run = lab.run(three(lab), "A2!down")
    assert [str(error) for error in heard] == ["no"]
    assert lab.steps.log[-1] == "A:dead letter"
    assert not run.completed
    assert run.copies["A"].attempts == 2
    lab.run(three(lab), "A2!down1")
    assert len(heard) == 1


def test_without_a_policy_it_is_delivered_again_after_a_second(lab: Lab) -> None:
    run = lab.run(three(lab), "A0!down")
    assert deliveries(run) == [0, 1, 2, 3]
    assert run.copies["A"].error == "OSError: no"
