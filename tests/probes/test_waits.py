"""Waits of threading and queue: for each other in the schedule, with a timeout in virtual time, and never for ever."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import pytest

from jobchaos.clock.freeze import Frozen
from jobchaos.conformance.trial_run import SameConditions
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.trace import Happening
from jobchaos.engine.runner import Runner
from jobchaos.engine.stage import Stage
from jobchaos.engine.world import World
from jobchaos.probes.lock_names import LockNames
from jobchaos.probes.locks import LockProbe
from jobchaos.probes.sleep import SleepProbe
from jobchaos.probes.turns import Turns
from jobchaos.probes.waits import WaitProbe
from tests.probes.conftest import Watch

HOUR = 3600.0
SECOND = 10**9
READY = threading.Event()
PLAIN = threading.Condition(threading.Lock())
CHANGED = threading.Condition()
SEATS = threading.Semaphore(1)
MEETING = threading.Barrier(2)
INBOX: queue.Queue[str] = queue.Queue()
FULL: queue.Queue[str] = queue.Queue(maxsize=1)
_genuine = (threading.Condition.wait, threading.Condition.__enter__, threading.Thread.join)


Run = Callable[..., RunResult]


@pytest.fixture
def run(watch: Watch) -> Iterator[Run]:
    """`run(job, token, *places)`: each `time.sleep` of the job is a step."""

    def go(job: Callable[[], object], token: str, *places: dict[str, Any]) -> RunResult:
        turns = Turns(watch.clock)
        locks = LockProbe(LockNames(lambda: places), turns)
        return watch(job, token, SleepProbe(watch.bindings), locks, WaitProbe(places, turns))

    yield go
    for name in ("_flag", "_value"):
        for item, value in ((READY, False), (SEATS, 1)):
            if name in vars(item):
                setattr(item, name, value)
    MEETING.reset()
    assert (threading.Condition.wait, threading.Condition.__enter__, threading.Thread.join) == _genuine
    assert time.monotonic in (threading._time, queue.time)  # type: ignore[attr-defined]
    conditions: list[Any] = [vars(READY)["_cond"], PLAIN, CHANGED]
    assert not any(condition._waiters for condition in conditions)


def by_copy(*jobs: Callable[[], object]) -> Callable[[], object]:
    """The first to be delivered runs the first job, and so on."""
    waiting = iter(jobs)
    return lambda: next(waiting)()


def blocked(result: RunResult) -> list[tuple[str, str]]:
    return [(event.copy, event.detail) for event in result.trace.events if event.happening is Happening.BLOCKED]


# --- timeouts --------------------------------------------------------------------------------------------------------


def wait_for_a_turn() -> bool:
    with PLAIN:
        return PLAIN.wait(HOUR)


def wait_for_a_reason() -> bool:
    with CHANGED:
        return bool(CHANGED.wait_for(lambda: False, HOUR))


def take_two_seats() -> bool:
    with SEATS:
        return SEATS.acquire(timeout=HOUR)


def meet_nobody() -> bool:
    with pytest.raises(threading.BrokenBarrierError):
        MEETING.wait(HOUR)
    MEETING.reset()
    return False


def read_nothing() -> bool:
    with pytest.raises(queue.Empty):
        INBOX.get(timeout=HOUR)
    return False


def write_too_much() -> bool:
    FULL.put("one")
    with pytest.raises(queue.Full):
        FULL.put("two", timeout=HOUR)
    FULL.get()
    return False


def join_a_thread_that_waits() -> bool:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    thread.join(HOUR)
    alive = thread.is_alive()
    done.set()
    thread.join()
    return not alive


TIMEOUTS = [
    lambda: READY.wait(HOUR),
    wait_for_a_turn,
    wait_for_a_reason,
    take_two_seats,
    meet_nobody,
    read_nothing,
    write_too_much,
    join_a_thread_that_waits,
]


@pytest.mark.parametrize("job", TIMEOUTS)
@pytest.mark.parametrize("start", [0, 1_795_480_130_561_346_173])
def test_a_timeout_takes_exactly_its_virtual_time(
    run: Run, watch: Watch, job: Callable[[], bool], start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tests.probes.conftest.SameConditions.begin", lambda self, *, perturbed: self._clock.reset(start)
    )
    ends: list[object] = []
    result = run(lambda: ends.append((job(), watch.clock.now() - start)), "A")
    assert result.completed, result.copies
    assert ends == [(False, 3600 * SECOND)]


def test_the_nearest_timeout_comes_first(run: Run, watch: Watch) -> None:
    ends: list[tuple[str, int]] = []

    def waits(name: str, seconds: float) -> Callable[[], object]:
        return lambda: ends.append((name, READY.wait(seconds) or watch.clock.now()))

    assert run(by_copy(waits("long", 60), waits("short", 10)), "A B").completed
    assert ends == [("short", 11 * SECOND), ("long", 60 * SECOND)]  # B is delivered a second later


@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_is_no_time(run: Run, watch: Watch, timeout: float) -> None:
    found: list[bool] = []
    assert run(lambda: found.append(READY.wait(timeout)), "A").completed
    assert found == [False]
    assert watch.clock.now() == 0


# --- for each other --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [None, HOUR])
def test_a_copy_waits_for_what_another_does(run: Run, watch: Watch, timeout: float | None) -> None:
    seen: list[object] = []

    def waits() -> None:
        seen.append(READY.wait(timeout))

    def sets() -> None:
        time.sleep(1)
        READY.set()

    result = run(by_copy(waits, sets), "A B")
    assert result.completed
    assert seen == [True]
    assert blocked(result) == [("A", "event:READY")]
    assert watch.clock.now() == 2 * SECOND


def test_a_condition_is_held_again_after_the_wait(run: Run) -> None:
    order: list[str] = []

    def waits() -> None:
        with CHANGED, CHANGED:  # twice: the recursion level must come back
            CHANGED.wait()
            order.append("woken")
        order.append("left")

    def notifies() -> None:
        with CHANGED:
            CHANGED.notify()
            time.sleep(1)  # A may not go on before this is over
            order.append("notified")

    result = run(by_copy(waits, notifies), "A B1 A B")
    assert result.completed
    assert order == ["notified", "woken", "left"]
    assert blocked(result) == [("A", "condition:CHANGED")]
    assert CHANGED.acquire(blocking=False)
    CHANGED.release()


def test_a_condition_that_a_parked_copy_holds_is_waited_for(run: Run) -> None:
    order: list[str] = []

    def job(name: str) -> Callable[[], None]:
        def hold() -> None:
            with PLAIN:
                order.append(name)
                time.sleep(1)
                order.append(name)

        return hold

    result = run(by_copy(job("A"), job("B")), "A0 B A")
    assert result.completed
    assert order == ["A", "A", "B", "B"]


def test_copies_hand_things_over(run: Run) -> None:
    got: list[str] = []
    consumer = lambda: got.extend(INBOX.get() for _ in range(3))  # noqa: E731

    def producer() -> None:
        for item in "abc":
            INBOX.put(item)
            time.sleep(1)

    assert run(by_copy(consumer, producer), "A B0 A B1 A B").completed
    assert got == ["a", "b", "c"]


def test_copies_that_only_wake_each_other_get_somewhere(run: Run) -> None:
    there, back = threading.Event(), threading.Event()

    def ping() -> None:
        for _ in range(5):
            there.set()
            assert back.wait()
            back.clear()

    def pong() -> None:
        for _ in range(5):
            assert there.wait()
            there.clear()
            back.set()

    assert run(by_copy(ping, pong), "A B").completed


def test_an_endless_ping_pong_ends(run: Run) -> None:
    there, back = threading.Event(), threading.Event()

    def ping(mine: threading.Event, other: threading.Event) -> None:
        while True:
            other.set()
            mine.wait()
            mine.clear()

    result = run(by_copy(lambda: ping(there, back), lambda: ping(back, there)), "A B")
    assert not result.completed
    assert "waits for ever" in result.copies["A"].error


def test_all_meet_at_a_barrier(run: Run) -> None:
    assert run(MEETING.wait, "A B").completed


# --- for ever --------------------------------------------------------------------------------------------------------


class Mailbox:
    """An object with parts of its own."""

    def __init__(self) -> None:
        self.letters: queue.Queue[str] = queue.Queue()


MAILBOX = Mailbox()


@pytest.mark.parametrize(
    ("job", "resource"),
    [
        (lambda: READY.wait(), "event:READY"),
        (lambda: INBOX.get(), "queue:INBOX"),
        (lambda: MEETING.wait(), "barrier:MEETING"),
        (lambda: [SEATS.acquire(), SEATS.acquire()], "semaphore:SEATS"),
        (lambda: MAILBOX.letters.get(), "queue:letters"),
        (lambda: threading.Event().wait(), "a condition that the project has no name for"),
    ],
)
def test_a_wait_that_nobody_ends_is_told(run: Run, job: Callable[[], object], resource: str) -> None:
    result = run(job, "A", vars(MAILBOX))
    assert result.stuck == ""
    assert result.copies["A"].error == f"waits for ever for {resource}"


def test_a_worker_can_be_killed_before_and_after_a_wait(run: Run) -> None:
    def job() -> None:
        time.sleep(1)
        READY.wait(5)
        time.sleep(1)

    for token in ("A0!kill A", "A1!kill A"):
        result = run(job, token)
        assert result.completed
        assert result.carried_out


# --- in earnest ------------------------------------------------------------------------------------------------------


def test_a_future_is_waited_for_in_earnest(run: Run, watch: Watch) -> None:
    go = threading.Event()
    results: list[object] = []

    def work() -> str:
        go.wait()
        return "done"

    def job() -> None:
        with futures.ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            threading.Timer(0.05, go.set).start()
            results.append(future.result(timeout=HOUR))
            results.append(len(futures.wait([pool.submit(work)], timeout=HOUR).done))

    assert run(job, "A").completed
    assert results == ["done", 1]
    assert watch.clock.now() == 0


def test_a_future_that_takes_too_long_takes_as_long_in_virtual_time(run: Run, watch: Watch) -> None:
    never: futures.Future[None] = futures.Future()

    def job() -> None:
        with pytest.raises(futures.TimeoutError):
            never.result(timeout=0.01)

    assert run(job, "A").completed
    assert watch.clock.now() == SECOND // 100


def test_a_thread_at_work_is_waited_for_in_earnest(run: Run, watch: Watch) -> None:
    replies: list[object] = []

    def job() -> None:
        reply = threading.Event()
        at_work = threading.Event()

        def work() -> None:
            at_work.set()
            deadline = time.monotonic() + 0.3
            while time.monotonic() < deadline:
                pass
            reply.set()

        thread = threading.Thread(target=work)
        thread.start()
        replies.append(reply.wait(1))
        thread.join(1)
        replies.append(thread.is_alive())

    assert run(job, "A").completed
    assert replies == [True, False]
    assert watch.clock.now() == 0


def test_a_server_that_was_there_before_can_answer(run: Run, watch: Watch) -> None:
    requests: queue.Queue[str] = queue.Queue()
    replies: queue.Queue[str] = queue.Queue()

    def serve() -> None:
        while request := requests.get():
            replies.put(request.upper())

    server = threading.Thread(target=serve)
    server.start()
    got: list[str] = []

    def job() -> None:
        requests.put("hello")
        got.append(replies.get(timeout=HOUR))

    try:
        assert run(job, "A").completed
    finally:
        requests.put("")
        server.join()
    assert got == ["HELLO"]
    assert watch.clock.now() == 0


# --- from run to run -------------------------------------------------------------------------------------------------


def test_each_run_begins_with_events_and_semaphores_as_they_were(watch: Watch) -> None:
    found: list[tuple[bool, int]] = []
    after: list[bool] = []

    def job() -> None:
        found.append((READY.is_set(), SEATS._value))
        READY.set()
        SEATS.acquire()

    stage = Stage(watch.clock, World(lambda _: watch.recorder))
    with stage.watching([WaitProbe((), Turns(watch.clock)), watch.bindings]):
        runner = Runner(stage, lambda _letter: job, SameConditions(watch.clock), attempts=4, guard=20.0)
        for _ in range(2):
            runner.run(Schedule.parse("A"))
            after.append(READY.is_set())
    assert found == [(False, 1), (False, 1)]
    assert after == [True, True]  # whoever looks at the state after a run sees what it left
    READY.clear()
    SEATS.release()


def test_a_new_process_does_not_know_the_events_of_a_dead_one(run: Run) -> None:
    found: list[bool] = []

    def job() -> None:
        found.append(READY.is_set())
        READY.set()
        time.sleep(1)

    assert run(job, "A0!kill A").completed
    assert found == [False, False]


def test_other_threads_wait_in_real_time(run: Run, watch: Watch) -> None:
    del run
    stage = Stage(watch.clock, World(lambda _: watch.recorder))
    with Frozen(watch.clock, stage.current), stage.watching([WaitProbe((), Turns(watch.clock))]):
        assert not READY.wait(0.001)
        with pytest.raises(queue.Empty):
            INBOX.get(timeout=0.001)
        thread = threading.Thread(target=lambda: READY.wait(0.001))
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
    assert watch.clock.now() == 0
