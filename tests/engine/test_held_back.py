"""Messages with one lock: who comes later stays in its queue until who came before is done."""

from __future__ import annotations

import pytest

from jobchaos.core.redelivery import GivenUp, Redelivery
from jobchaos.core.result import RunResult
from jobchaos.core.terms import AfterKill
from jobchaos.core.trace import Happening
from tests.engine.conftest import Lab

ONE = {"A": "x", "B": "x", "C": "y"}


def twice(lab: Lab, token: str) -> RunResult:
    def job() -> None:
        lab.steps("1")
        lab.steps("2")

    return lab.run(job, token, locks=ONE, after_kill=AfterKill.STUCK)


@pytest.mark.parametrize(
    ("token", "log"),
    [
        ("A1 B A", "A1 A2 B1 B2"),
        ("B1 A B", "B1 B2 A1 A2"),
        ("A1 B1 C1 A", "A1 C1 A2 B1 B2 C2"),
        ("A1 B", "A1 A2 B1 B2"),
        ("A B A", "A1 A2 B1 B2 A1 A2"),
        ("A1!kill A B", "A1 A1 A2 B1 B2"),
    ],
)
def test_the_later_one_waits_whatever_the_schedule_says(lab: Lab, token: str, log: str) -> None:
    run = twice(lab, token)
    assert " ".join(lab.steps.log).replace(":", "") == log
    assert run.completed


def test_the_trace_says_who_has_the_lock(lab: Lab) -> None:
    events = twice(lab, "A1 B A").trace.events
    assert [(event.copy, event.detail) for event in events if event.happening is Happening.HELD_BACK] == [
        ("B", "A has the lock 'x'")
    ]


def test_what_stays_marked_as_running_keeps_its_lock_for_ever(lab: Lab) -> None:
    run = twice(lab, "A1!kill B C")
    assert lab.steps.log == ["A:1", "C:1", "C:2"]
    assert run.copies["B"].error == "waits for ever in its queue: A has the lock 'x'"
    assert run.copies["B"].attempts == 0


@pytest.mark.parametrize(
    ("error", "log"),
    [
        (Redelivery("to be retried in 60 s", 60 * 10**9, 1), ["A:1", "A:1", "B:1"]),
        (GivenUp(ValueError("no")), ["A:1", "B:1"]),
    ],
    ids=["waits for a retry", "is given up"],
)
def test_a_lock_is_kept_until_there_are_no_retries_to_come(lab: Lab, error: BaseException, log: list[str]) -> None:
    def job() -> None:
        lab.steps("1")
        if len(lab.steps.log) == 1:
            raise error

    lab.run(job, "A B", locks=ONE)
    assert lab.steps.log == log
