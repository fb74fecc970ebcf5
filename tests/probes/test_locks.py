"""Locks of threading: waited for in the schedule, in virtual time, free after a death, and genuine afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.locks import LockProbe, ProbedLock
from jobchaos.probes.sleep import SleepProbe
from tests.probes.conftest import Watch, effects

LOCK = threading.Lock()
OTHER = threading.Lock()
AGAIN = threading.RLock()
genuine = (LOCK, OTHER, AGAIN)


class Guarded:
    """An object with a lock of its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


Run = Callable[..., RunResult]


@pytest.fixture
def run(watch: Watch) -> Run:
    """`run(job, token, *places)`: each `time.sleep` of the job is a step."""

    def go(job: Callable[[], object], token: str, *places: dict[str, Any]) -> RunResult:
        result = watch(job, token, SleepProbe(watch.bindings), LockProbe(places))
        assert genuine == (LOCK, OTHER, AGAIN)
        assert not LOCK.locked()
        assert not OTHER.locked()
        return result

    return go


def order(result: RunResult) -> str:
    """Letters of the copies in the order of their steps."""
    return "".join(event.copy for event in result.trace.events if event.happening is Happening.EFFECT)


def happenings(result: RunResult, copy: str) -> list[Happening]:
    return [event.happening for event in result.trace.events if event.copy == copy]


def sleeps_twice_under(lock: Any) -> None:
    with lock:
        time.sleep(1)
        time.sleep(1)


def test_copies_do_not_come_between(run: Run) -> None:
    result = run(lambda: sleeps_twice_under(LOCK), "A1 B A")
    assert order(result) == "AABB"
    assert result.completed
    blocked = next(event for event in result.trace.events if event.happening is Happening.BLOCKED)
    assert (blocked.copy, blocked.detail) == ("B", "lock:LOCK")


def test_without_the_lock_they_do(run: Run) -> None:
    assert order(run(lambda: sleeps_twice_under(threading.Lock()), "A1 B A")) == "ABBA"


def test_a_reentrant_lock_can_be_taken_again(run: Run) -> None:
    def job() -> None:
        with AGAIN, AGAIN:
            time.sleep(1)
            time.sleep(1)

    assert order(run(job, "A1 B A")) == "AABB"


def test_locks_of_objects_and_closures_are_known(run: Run) -> None:
    guarded = Guarded()
    mine = guarded.lock
    result = run(lambda: sleeps_twice_under(guarded.lock), "A1 B A", vars(guarded))
    assert order(result) == "AABB"
    assert guarded.lock is mine


def test_one_lock_under_two_names_is_one(run: Run) -> None:
    place = {"alias": LOCK}
    result = run(lambda: sleeps_twice_under(place["alias"] if LOCK.locked() else LOCK), "A1 B A", place)
    assert order(result) == "AABB"
    assert place["alias"] is LOCK


def test_a_timeout_runs_out_in_virtual_time(run: Run, watch: Watch) -> None:
    refused_at: list[int] = []

    def job() -> None:
        if not LOCK.acquire(timeout=7):
            refused_at.append(watch.clock.now())
            return
        time.sleep(1)
        time.sleep(1)
        LOCK.release()

    result = run(job, "A1 B +10s B A")  # A holds it for ten seconds
    assert result.completed
    assert happenings(result, "B")[1:3] == [Happening.BLOCKED, Happening.TIMED_OUT]
    assert order(result) == "AA"
    assert len(refused_at) == 1
    assert refused_at[0] >= 10 * 10**9


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock])
def test_a_timeout_takes_exactly_its_virtual_time(run: Run, watch: Watch, make: Callable[[], Any]) -> None:
    place = {"mine": make()}
    first = iter([True, False])
    refused: list[tuple[bool, int]] = []

    def job() -> None:
        if next(first):
            with place["mine"]:
                time.sleep(1)
        else:
            began = watch.clock.now()
            refused.append((place["mine"].acquire(timeout=7), watch.clock.now() - began))

    assert run(job, "A0 B +7s B A", place).completed
    assert refused == [(False, 7_000_000_000)]


def test_not_to_wait_is_not_to_wait(run: Run) -> None:
    refused: list[str] = []

    def job() -> None:
        if not LOCK.acquire(blocking=False):
            refused.append("B")
            return
        time.sleep(1)
        LOCK.release()

    assert run(job, "A0 B A").completed
    assert refused == ["B"]


@pytest.mark.parametrize("lock", ["LOCK", "AGAIN"])
def test_the_lock_of_the_dead_is_free(run: Run, lock: str) -> None:
    def job() -> None:
        globals()[lock].acquire()  # without `with` or `finally`
        time.sleep(1)
        globals()[lock].release()

    result = run(job, "A0!kill A")
    assert result.completed
    assert Happening.BLOCKED not in happenings(result, "A")


def test_a_lock_that_is_never_released_is_a_wait_for_ever(run: Run) -> None:
    def job() -> None:
        OTHER.acquire()
        time.sleep(1)

    result = run(job, "A B")
    assert result.copies["A"].completed
    assert result.copies["B"].error == "waits for ever for lock:OTHER"


def test_a_deadlock_is_found(run: Run) -> None:
    first = iter([True, False])

    def job() -> None:
        one, other = (LOCK, OTHER) if next(first) else (OTHER, LOCK)
        with one:
            time.sleep(1)
            with other:
                time.sleep(1)

    result = run(job, "A0 B0 A B")
    assert {copy.error for copy in result.copies.values()} <= {
        "waits for ever for lock:LOCK",
        "waits for ever for lock:OTHER",
    }
    assert not result.completed


def test_other_threads_use_the_genuine_lock() -> None:
    class Idle:
        clock = None

        def current(self) -> None:
            return None

    lock = ProbedLock(threading.Lock(), "idle", Idle())  # type: ignore[arg-type]
    with lock:
        assert lock.locked()
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=0.001)
    assert not lock.locked()


def under(result: RunResult) -> list[tuple[str, ...]]:
    """The locks of each effect."""
    return [tuple(lock.resource for lock in effect.locks) for effect in effects(result)]


def test_effects_carry_the_locks_that_are_kept(run: Run) -> None:
    def job() -> None:
        time.sleep(1)
        with LOCK:
            time.sleep(2)
            with AGAIN, AGAIN:
                time.sleep(3)
            time.sleep(4)
        time.sleep(5)
        time.sleep(6)

    lock, again = "lock:LOCK/@held", "lock:AGAIN/@held"
    assert under(run(job, "A")) == [(), (lock,), (lock, again), (lock, again), (lock,), ()]


def test_who_asks_in_vain_depends_on_the_lock_too(run: Run) -> None:
    def job() -> None:
        if LOCK.acquire(blocking=False):
            time.sleep(1)
            LOCK.release()
        else:
            time.sleep(2)

    def looks() -> None:
        assert not LOCK.locked()
        time.sleep(1)

    result = run(job, "A0 B A")
    assert {effect.label for effect in effects(result)} == {"sleep 1 s", "sleep 2 s"}
    assert set(under(result)) == {("lock:LOCK/@held",)}
    assert under(run(looks, "A")) == [("lock:LOCK/@held",)]
