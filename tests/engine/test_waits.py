"""A wait that is not answered: where the token says so, for the caller's timeout, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.hang import Hang
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Fault
from jobchaos.core.trace import Happening
from tests.engine.conftest import Lab

SECOND = 10**9


class Service:
    """A far side with which a job talks: a call is a step, and connecting to it is a wait before one."""

    def __init__(self, lab: Lab, timeout: float | None = 10.0) -> None:
        self._steps = lab.steps
        self.timeout = timeout

    def hang(self) -> Hang:
        return Hang("host:service", self.timeout, lambda: TimeoutError("timed out"), "Service(timeout=...)")

    def connect(self) -> str:
        """Wait without a step, as a probe of sockets does it."""
        fault = self._steps.worker.ask(self.hang)
        if fault is Fault.SLOW:
            self._steps.worker.linger(self.hang())
        if fault in (Fault.HANG, Fault.LATE):
            self._steps.worker.time_out(self.hang())
        return "connected"

    def call(self, label: str) -> None:
        """Wait within a step, as a probe of a driver in C does it."""
        worker = self._steps.worker
        worker.touch("list:")
        effect = Effect("step", label, (Touch("list:", Mode.WRITE),), durable=True)
        write: Callable[[], None] = lambda: self._steps.log.append(label)  # noqa: E731
        worker.perform(effect, write, failure=lambda: OSError("no"), hang=self.hang)


def told(run: RunResult) -> list[str]:
    """What happened, and at which second."""
    kept = (Happening.EFFECT, Happening.TIMED_OUT, Happening.BLOCKED, Happening.RAISED, Happening.FINISHED)
    return [
        f"{event.at / SECOND:g} {event.effect.label if event.effect else event.happening.value} {event.detail}".strip()
        for event in run.trace.events
        if event.happening in kept
    ]


def test_a_hanging_call_raises_the_drivers_error_when_its_timeout_is_over(lab: Lab) -> None:
    service = Service(lab)

    def job() -> None:
        service.call("first")
        service.call("second")

    run = lab.run(job, "A1!hang")
    assert told(run)[:3] == [
        "0 first",
        "10 second no answer after 10 s",
        "10 raised TimeoutError: timed out",
    ]
    assert run.completed
    assert run.carried_out
    assert lab.steps.log == ["first", "first", "second"]
    hung = run.copies["A"].hung
    assert hung is not None
    assert hung.effect is not None
    assert (hung.steps, hung.number, hung.effect.label, hung.timeout) == (1, 1, "second", 10 * SECOND)


def test_a_late_answer_leaves_the_call_applied(lab: Lab) -> None:
    service = Service(lab)
    run = lab.run(lambda: service.call("charge"), "A0!late")
    assert told(run)[:2] == [
        "10 charge (answered too late, after 10 s)",
        "10 raised TimeoutError: timed out",
    ]
    assert lab.steps.log == ["charge", "charge"]


def test_a_silent_far_side_stays_silent_until_the_attempt_ends(lab: Lab) -> None:
    service = Service(lab)

    def job() -> None:
        for _ in range(3):
            try:
                service.call("charge")
            except TimeoutError:
                continue
            return

    run = lab.run(job, "A0!hang")
    assert told(run)[:3] == [f"{at} charge no answer after 10 s" for at in (10, 20, 30)]
    assert lab.steps.log == []


def test_without_a_timeout_the_call_never_returns(lab: Lab) -> None:
    service = Service(lab, timeout=None)
    run = lab.run(lambda: service.call("charge"), "A0!hang")
    assert not run.completed
    assert run.copies["A"].error == "waits for ever for host:service"
    assert not run.stuck


def test_waits_are_counted_since_the_last_step_that_has_ended(lab: Lab) -> None:
    service = Service(lab)

    def job() -> None:
        service.call("first")
        service.connect()
        service.connect()
        service.call("second")

    for token, hit in [("A0!hang", 0), ("A1!hang", 1), ("A1!hang2", 2), ("A1!hang3", 3)]:
        run = lab.run(job, token)
        assert run.carried_out, token
        hung = run.copies["A"].hung
        assert hung is not None
        assert (hung.steps, hung.number) == (min(hit, 1), max(hit, 1))


@pytest.mark.parametrize("token", ["A0!hang2", "A0!late3", "A1!hang2", "A2!hang"])
def test_a_wait_that_is_not_there_is_told(lab: Lab, token: str) -> None:
    service = Service(lab)

    def job() -> None:
        service.call("first")
        service.call("second")

    run = lab.run(job, token)
    assert run.completed
    assert not run.carried_out
    assert lab.steps.log == ["first", "second"]


def test_when_all_are_slow_each_call_takes_its_timeout(lab: Lab) -> None:
    service = Service(lab)

    def job() -> None:
        service.connect()
        service.call("first")
        service.call("second")

    run = lab.run(job, "A0!slow")
    assert told(run)[-1] == "30 finished"
    assert run.carried_out
    assert lab.steps.log == ["first", "second"]


def test_a_survey_notes_every_wait(lab: Lab) -> None:
    service = Service(lab, timeout=0.5)

    def job() -> None:
        service.connect()
        lab.steps("no wait")
        service.call("call")
        service.connect()

    points = lab.survey(job).copies["A"].points
    assert [(point.steps, point.number, point.effect is None) for point in points] == [
        (0, 1, True),
        (1, 1, False),
        (2, 1, True),
    ]
    assert {point.timeout for point in points} == {SECOND // 2}
    assert all(point.site is not None and point.site.file == __file__ for point in points)
