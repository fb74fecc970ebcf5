"""Leases in traces: who takes, renews and frees which, and until when it runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import jobchaos
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.engine.fork import Forks
from jobchaos.engine.worker import Hire, ThreadWorker
from tests.engine.conftest import Lab, StillConditions

SECOND = 10**9


def leases(run: RunResult) -> list[tuple[str, str, int, int]]:
    return [
        (event.copy + str(event.attempt), event.happening.value, event.at // SECOND, event.until // SECOND)
        for event in run.trace.events
        if event.happening in (Happening.LEASED, Happening.RELEASED)
    ]


@pytest.fixture(params=["thread", "process"])
def hire(request: pytest.FixtureRequest) -> Hire:
    return ThreadWorker if request.param == "thread" else Forks(StillConditions())


def job_of(lab: Lab) -> Callable[[], None]:
    def job() -> None:
        with jobchaos.lease("invoice:42", 60) as held:
            lab.steps("first")
            held.renew()
            lab.steps("second")

    return job


def test_taken_renewed_and_freed(lab: Lab, hire: Hire) -> None:
    lab.hire = hire
    run = lab.run(job_of(lab), "A0 +10s A")
    assert leases(run) == [("A1", "leased", 0, 60), ("A1", "leased", 10, 70), ("A1", "released", 10, 0)]
    assert {event.detail for event in run.trace.events if event.until} == {"lease:invoice:42"}


def test_the_dead_free_nothing(lab: Lab, hire: Hire) -> None:
    lab.hire = hire
    run = lab.run(job_of(lab), "A1!kill A")
    assert [lease for lease in leases(run) if lease[0] == "A1"] == [("A1", "leased", 0, 60), ("A1", "leased", 0, 60)]
    assert leases(run)[-1][:2] == ("A2", "released")


def test_what_is_not_held_is_not_freed(lab: Lab) -> None:
    def job() -> None:
        held = jobchaos.lease("invoice:42", 0.5)
        held.release()
        held.release()

    run = lab.run(job, "A")
    assert [happening for _, happening, *_ in leases(run)] == ["leased", "released"]
    assert [event.until for event in run.trace.events if event.until] == [SECOND // 2]


def test_the_clock_of_a_forked_worker_follows_the_schedule(lab: Lab, hire: Hire) -> None:
    lab.hire = hire
    run = lab.run(job_of(lab), "A0 +61s B1 +1h A")
    assert leases(run) == [
        ("A1", "leased", 0, 60),
        ("B1", "leased", 62, 122),  # a second goes by until the next delivery
        ("B1", "leased", 62, 122),
        ("A1", "leased", 3662, 3722),
        ("A1", "released", 3662, 0),
        ("B1", "released", 3662, 0),
    ]
