"""One schedule, run: order, faults, blocking, death, and nothing left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from jobchaos.core.trace import Happening
from jobchaos.errors import InternalError
from jobchaos.stores.memory import MemoryStore

if TYPE_CHECKING:
    from typing import Any as Lab  # the fixture's class lives in conftest.py


def three(lab: Lab) -> Callable[[], None]:
    def job() -> None:
        for label in ("1", "2", "3"):
            lab.steps(label)

    return job


@pytest.mark.parametrize(
    ("token", "order"),
    [
        ("A", "A1 A2 A3"),
        ("A A", "A1 A2 A3 A1 A2 A3"),
        ("A B", "A1 A2 A3 B1 B2 B3"),
        ("A1 B A", "A1 B1 B2 B3 A2 A3"),
        ("A2 B1 A B", "A1 A2 B1 A3 B2 B3"),
        ("A1 B1", "A1 B1 A2 A3 B2 B3"),
        ("A0 B A", "B1 B2 B3 A1 A2 A3"),
        ("A2!kill A", "A1 A2 A1 A2 A3"),
        ("A3!kill A", "A1 A2 A3 A1 A2 A3"),
        ("A0!kill A", "A1 A2 A3"),
        ("A1!kill", "A1 A1 A2 A3"),
        ("A1!kill B A", "A1 B1 B2 B3 A1 A2 A3"),
        ("A1!fail A", "A1 A1 A2 A3"),
        ("A1!lost A", "A1 A2 A1 A2 A3"),
        ("A1!terminate A", "A1 A1 A2 A3"),
        ("A1!terminate B A", "A1 B1 B2 B3 A1 A2 A3"),
    ],
)
def test_effects_happen_in_the_order_of_the_token(lab: Lab, token: str, order: str) -> None:
    run = lab.run(three(lab), token)
    assert " ".join(entry.replace(":", "") for entry in lab.steps.log) == order
    assert run.completed
    assert run.carried_out


def test_a_fault_beyond_the_end_of_the_attempt_is_said_to_be_missed(lab: Lab) -> None:
    run = lab.run(three(lab), "A7!kill A")
    assert not run.carried_out
    assert lab.steps.log == ["A:1", "A:2", "A:3"] * 2


def test_dead_men_do_not_write(lab: Lab) -> None:
    def job() -> None:
        try:
            lab.steps("first")
            lab.steps("second")
        except BaseException:
            lab.steps("handler")
            raise
        finally:
            with contextlib.suppress(OSError):
                lab.steps("cleanup")

    run = lab.run(job, "A1!kill A")
    assert lab.steps.log == ["A:first", "A:first", "A:second", "A:cleanup"]
    assert lab.steps.buried == ["A1"]
    assert not run.oddities


def test_a_terminated_worker_cleans_up_and_that_counts(lab: Lab) -> None:
    def job() -> None:
        try:
            lab.steps("first")
            lab.steps("second")
        finally:
            lab.steps("cleanup")

    run = lab.run(job, "A1!terminate A")
    assert lab.steps.log == ["A:first", "A:cleanup", "A:first", "A:second", "A:cleanup"]
    assert run.carried_out
    happened = [(event.happening, event.detail) for event in run.trace.events if event.attempt == 1]
    assert happened[2:] == [
        (Happening.TERMINATED, ""),
        (Happening.EFFECT, ""),
        (Happening.RAISED, "SystemExit: terminated"),
    ]


def test_a_job_that_ignores_its_termination_has_finished(lab: Lab) -> None:
    def job() -> None:
        with contextlib.suppress(SystemExit):
            lab.steps("first")
            lab.steps("second")
        lab.steps("third")

    run = lab.run(job, "A1!terminate")
    assert lab.steps.log == ["A:first", "A:third"]
    assert run.copies["A"].attempts == 1
    assert run.completed


def test_memory_ends_with_a_terminated_worker(lab: Lab) -> None:
    known: list[int] = []

    def job() -> None:
        known.append(1)
        lab.steps(str(len(known)))

    lab.run(job, "A0!terminate A A", MemoryStore(known))
    assert lab.steps.log == ["A:1", "A:2"]


def test_a_job_that_swallows_its_death_is_stopped_and_named(lab: Lab) -> None:
    def job() -> None:
        with contextlib.suppress(BaseException):
            lab.steps("first")
            lab.steps("second")

    run = lab.run(job, "A1!kill A")
    assert [code for code, _ in run.oddities] == ["JC702"]
    assert lab.steps.log == ["A:first", "A:first", "A:second"]


def test_a_job_that_swallows_its_death_in_a_loop_is_stopped(lab: Lab) -> None:
    def job() -> None:
        lab.steps("first")
        for _ in range(2) if lab.steps.worker.attempt > 1 else iter(int, 1):
            try:
                lab.steps("again")
            except BaseException:  # noqa: BLE001 - the mistake under test
                continue

    run = lab.run(job, "A1!kill A")
    assert [code for code, _ in run.oddities] == ["JC702"]
    assert lab.steps.log == ["A:first", "A:first", "A:again", "A:again"]


def test_a_redelivery_runs_in_a_fresh_thread(lab: Lab) -> None:
    lab.run(three(lab), "A1!kill A")
    assert set(lab.steps.threads) == {"jobchaos A1", "jobchaos A2"}


def test_an_attempt_that_raises_is_redelivered_until_the_budget_is_spent(lab: Lab) -> None:
    def job() -> None:
        lab.steps("try")
        raise ValueError("never good enough")

    run = lab.run(job, "A")
    assert lab.steps.log == ["A:try"] * 4
    assert run.copies["A"].attempts == 4
    assert run.copies["A"].error == "ValueError: never good enough"
    assert not run.completed


def test_a_blocked_copy_waits_for_the_holder_and_goes_on(lab: Lab) -> None:
    def job() -> None:
        lab.steps.lock()
        lab.steps("inside")
        lab.steps.unlock()

    run = lab.run(job, "A2 B A")
    assert lab.steps.log == ["A:inside", "B:inside"]
    blocked = [event for event in run.trace.events if event.happening is Happening.BLOCKED]
    assert [(event.copy, event.detail) for event in blocked] == [("B", "the lock")]
    assert run.completed


def test_a_deadlock_ends_in_virtual_time_when_somebody_would_give_up(lab: Lab) -> None:
    def job() -> None:
        worker = lab.steps.worker
        if worker.copy == "A" and worker.attempt == 1:
            lab.steps.locked_by = "nobody"
        lab.steps.lock(deadline=lab.clock.now() + 5 * 10**9)

    run = lab.run(job, "A")
    assert not run.completed
    assert run.copies["A"].error == "TimeoutError: lock"
    assert lab.clock.now() == (4 * 5 + 3) * 10**9  # four attempts of 5 s, three redeliveries of 1 s


def test_waiting_for_ever_is_told(lab: Lab) -> None:
    def job() -> None:
        lab.steps.locked_by = "nobody"
        lab.steps.lock()

    run = lab.run(job, "A")
    assert run.copies["A"].error == "waits for ever for the lock"


def test_polling_with_sleep_lets_others_move(lab: Lab) -> None:
    def job() -> None:
        if lab.steps.worker.copy == "B":
            while "A:3" not in lab.steps.log:
                lab.steps("sleep 1 s", kind="sleep")
        three(lab)()

    run = lab.run(job, "A1 B A")
    assert run.completed
    assert [entry for entry in lab.steps.log if "sleep" not in entry] == [
        "A:1", "A:2", "A:3", "B:1", "B:2", "B:3",
    ]  # fmt: skip


def test_an_endless_loop_without_steps_is_stopped_by_the_guard_and_located(lab: Lab) -> None:
    def job() -> None:
        lab.steps("first")
        while True:
            pass

    lab.guard = 0.2
    run = lab.run(job, "A")
    assert "test_runner.py" in run.stuck
    assert run.stuck.endswith("in job()")


def test_time_passes_between_segments(lab: Lab) -> None:
    seen = []

    def job() -> None:
        lab.steps("1")
        lab.steps("2")
        seen.append(lab.clock.now() // 10**9)

    lab.run(job, "A1 +61s B A")
    assert seen == [62, 62]  # B is delivered a second after A has waited


def test_an_interrupt_in_the_controller_ends_all_workers(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def job() -> None:
        three(lab)()

    def interrupt(_worker: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lab.steps, "pause", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lab.run(job, "A1 B A")
    assert lab.steps.log == ["A:1"]  # and the fixture sees that no thread is left


def test_what_goes_wrong_around_a_job_ends_the_check(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_worker: object) -> None:
        raise RuntimeError("no such probe")

    monkeypatch.setattr(lab.steps, "leave", fails)
    with pytest.raises(InternalError, match="RuntimeError: no such probe"):
        lab.run(three(lab), "A")
