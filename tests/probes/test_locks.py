"""Locks of threading: waited for in the schedule, in virtual time, free after a death, and as before afterwards."""

from __future__ import annotations

import threading
import time
import types
from collections.abc import Callable
from typing import Any

import pytest

from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.lock_names import LockNames
from jobchaos.probes.locks import LockProbe
from jobchaos.probes.sleep import SleepProbe
from jobchaos.probes.turns import Turns
from jobchaos.probes.waits import WaitProbe
from tests.probes.conftest import Watch, effects

LOCK = threading.Lock()
OTHER = threading.Lock()
AGAIN = threading.RLock()
FREE = OTHER.release


class Guarded:
    """An object with a lock of its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


Run = Callable[..., RunResult]
METHODS = ("acquire", "release", "__enter__", "__exit__")
MAKERS: list[Callable[[], Any]] = [threading.Lock, threading.RLock]


def methods() -> list[object]:
    kinds: list[Any] = [type(make()) for make in MAKERS]
    return [getattr(kind, name) for kind in kinds for name in METHODS] + [kinds[0].locked]


@pytest.fixture
def run(watch: Watch) -> Run:
    """`run(job, token, *places)`: each `time.sleep` of the job is a step."""

    def go(job: Callable[[], object], token: str, *places: dict[str, Any]) -> RunResult:
        before = methods()
        turns = Turns(watch.clock)
        locks = LockProbe(LockNames(lambda: places), turns)
        result = watch(job, token, SleepProbe(watch.bindings), locks, WaitProbe((), turns))
        assert methods() == before
        assert not LOCK.locked()
        assert not OTHER.locked()
        assert AGAIN.acquire(blocking=False)
        AGAIN.release()
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
    assert under(result) == [("lock:lock/@held",)] * 4


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


@pytest.mark.parametrize("make", MAKERS)
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
            time.sleep(3)

    def looks() -> None:
        assert not LOCK.locked()
        time.sleep(1)

    result = run(job, "A0 B A")
    assert [effect.label for effect in effects(result)] == ["sleep 2 s", "sleep 3 s", "sleep 1 s"]
    assert under(result) == [("lock:LOCK/@held",), (), ("lock:LOCK/@held",)]
    assert under(run(looks, "A")) == [("lock:LOCK/@held",)]


# --- locks that are made while the job runs --------------------------------------------------------------------------


def by_turns(*jobs: Callable[[], object]) -> Callable[[], object]:
    """The first to be delivered runs the first job, and so on."""
    waiting = iter(jobs)
    return lambda: next(waiting)()


@pytest.mark.parametrize("make", MAKERS)
def test_a_lock_that_the_job_makes_is_known_where_it_keeps_it(run: Run, make: Callable[[], Any]) -> None:
    place: dict[str, Any] = {}
    result = run(lambda: sleeps_twice_under(place.setdefault("made", make())), "A1 B A", place)
    assert order(result) == "AABB"
    assert [event.detail for event in result.trace.events if event.happening is Happening.BLOCKED] == ["lock:made"]
    assert under(result) == [("lock:made/@held",)] * 4


@pytest.mark.parametrize("make", MAKERS)
def test_one_that_nothing_leads_to_is_waited_for_too(run: Run, watch: Watch, make: Callable[[], Any]) -> None:
    hidden = [make()]
    refused: list[int] = []

    def holds() -> None:
        with hidden[0]:
            time.sleep(10)

    def wants() -> None:
        began = watch.clock.now()
        assert not hidden[0].acquire(timeout=5)
        refused.append(watch.clock.now() - began)

    result = run(by_turns(holds, wants), "A0 B +5s B A")
    assert result.completed
    assert refused == [5 * 10**9]
    waited = [event.detail for event in result.trace.events if event.happening is Happening.BLOCKED]
    assert waited == ["a lock that the project has no name for"]
    assert set(under(result)) == {()}, "what copies do not share by name is no part of their effects"


LIBRARY = """
import threading, time

def use(lock):
    with lock:
        time.sleep(1)

def wait_for_signal(lock, signal):
    signal.set()
    lock.acquire()

def release_at(signal, lock):
    signal.wait()
    lock.release()

def start(signal, lock):
    threading.Thread(target=release_at, args=(signal, lock)).start()
"""


@pytest.fixture
def library() -> Any:
    made = types.ModuleType("library")
    exec(compile(LIBRARY, "/site-packages/library.py", "exec"), vars(made))
    return made


def test_a_lock_of_a_library_that_a_copy_holds_is_waited_for(run: Run, library: Any) -> None:
    lock = threading.Lock()
    result = run(lambda: library.use(lock), "A0 B A")
    assert result.completed
    assert happenings(result, "B")[1] is Happening.BLOCKED


@pytest.mark.parametrize("who", ["itself", "who has ended"])
def test_a_library_may_use_a_lock_as_a_signal(run: Run, library: Any, who: str) -> None:
    """A thread that is there from the beginning releases it. No copy does, and nobody can tell."""
    lock, signal = threading.Lock(), threading.Event()
    library.start(signal, lock)

    def takes() -> None:
        lock.acquire()

    def waits() -> None:
        library.wait_for_signal(lock, signal)

    def takes_and_waits() -> None:
        takes()
        waits()

    jobs = [takes_and_waits] if who == "itself" else [takes, waits]
    result = run(by_turns(*jobs), " ".join("AB"[: len(jobs)]))
    assert result.completed, result.copies
    assert Happening.BLOCKED not in [event.happening for event in result.trace.events]


@pytest.mark.parametrize("make", MAKERS)
def test_a_made_lock_of_the_dead_is_free(run: Run, make: Callable[[], Any]) -> None:
    hidden = [make()]

    def job() -> None:
        hidden[0].acquire()  # without `with` or `finally`
        time.sleep(1)
        hidden[0].release()

    result = run(job, "A0!kill A")
    assert result.completed
    assert Happening.BLOCKED not in happenings(result, "A")


def test_a_deadlock_of_made_locks_is_found(run: Run) -> None:
    place: dict[str, Any] = {}

    def job(*names: str) -> None:
        one, other = (place.setdefault(name, threading.Lock()) for name in names)
        with one:
            time.sleep(1)
            with other:
                time.sleep(1)

    result = run(by_turns(lambda: job("x", "y"), lambda: job("y", "x")), "A0 B0 A B", place)
    assert {copy.error for copy in result.copies.values()} <= {"waits for ever for lock:x", "waits for ever for lock:y"}
    assert not result.completed


@pytest.mark.parametrize("make", MAKERS)
def test_a_thread_of_the_jobs_own_may_hold_a_lock(run: Run, watch: Watch, make: Callable[[], Any]) -> None:
    lock, held, wanted = make(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            wanted.wait()

    def job() -> None:
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        assert not lock.acquire(timeout=3)
        wanted.set()
        with lock:
            thread.join()

    assert run(job, "A").completed
    assert watch.clock.now() == 3 * 10**9


@pytest.mark.parametrize("make", MAKERS)
def test_a_lock_that_a_job_leaves_behind_is_free_in_the_next_run(run: Run, make: Callable[[], Any]) -> None:
    place = {"left": make()}
    for _ in range(2):
        assert run(lambda: place["left"].acquire(), "A", place).completed
    assert place["left"].acquire(blocking=False)


MAKE_CONDITIONS: list[Callable[[], threading.Condition]] = [
    threading.Condition,
    lambda: threading.Condition(threading.Lock()),
]


@pytest.mark.parametrize("make", MAKE_CONDITIONS, ids=["reentrant", "plain"])
@pytest.mark.parametrize("is_made_before", [True, False])
def test_a_condition_may_be_used_as_a_lock(
    run: Run, watch: Watch, make: Callable[[], threading.Condition], is_made_before: bool
) -> None:
    kept = [make()] if is_made_before else []
    refused: list[int] = []

    def holds() -> None:
        if not kept:
            kept.append(make())
        kept[0].acquire()
        time.sleep(10)
        kept[0].release()

    def wants() -> None:
        began = watch.clock.now()
        assert not kept[0].acquire(timeout=5)
        refused.append(watch.clock.now() - began)

    result = run(by_turns(holds, wants, holds), "A0 B +5s B A C")
    assert result.completed, result.copies
    assert refused == [5 * 10**9]
    assert not {"acquire", "release"} & vars(threading.Condition).keys()


def test_conditions_that_a_job_makes_can_be_used_afterwards(run: Run) -> None:
    kept: list[threading.Condition] = []
    assert run(lambda: kept.append(threading.Condition(threading.Lock())), "A").completed
    (condition,) = kept
    assert condition.acquire()
    assert not condition.acquire(timeout=0.001)
    condition.release()
    with condition:
        pass


@pytest.mark.parametrize("arguments", [(False, 1.0), (True, -2.0)])
def test_what_python_refuses_is_refused(run: Run, arguments: tuple[bool, float]) -> None:
    def job() -> None:
        made = threading.Lock()
        with made:
            pass
        for lock in (LOCK, made):
            with pytest.raises(ValueError, match="timeout"):
                lock.acquire(*arguments)

    assert run(job, "A").completed


def test_who_releases_a_lock_of_another_lets_it_go(run: Run) -> None:
    def takes() -> None:
        LOCK.acquire()
        time.sleep(1)
        time.sleep(2)

    result = run(by_turns(takes, lambda: LOCK.release()), "A1 B A")
    assert result.completed
    assert under(result) == [("lock:LOCK/@held",)] * 2  # the second depends on it, as it was held since the first
    assert not LOCK.locked()


def takes_it() -> None:
    with OTHER:
        pass


def takes_it_in_a_thread() -> None:
    thread = threading.Thread(target=OTHER.acquire)
    thread.start()
    thread.join()


@pytest.mark.parametrize("taken", [takes_it, takes_it_in_a_thread])
def test_who_gets_a_lock_shows_that_it_was_freed(run: Run, taken: Callable[[], None]) -> None:
    def frees_it_unseen() -> None:
        OTHER.acquire()
        time.sleep(1)
        FREE()  # a method that was looked up before the check
        for seconds in range(2, 6):
            time.sleep(seconds)
        if OTHER.locked():
            OTHER.release()

    result = run(by_turns(frees_it_unseen, taken), "A2 B A")
    lock = "lock:OTHER/@held"
    assert under(result) == [(lock,)] * 4 + [()]  # the fourth as it was held since the third
