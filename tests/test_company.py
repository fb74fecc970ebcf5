"""Threads of a test with a fake clock: time passes from one wake-up to the next, when all of them wait."""

from __future__ import annotations

import asyncio
import queue
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from jobchaos import FakeClock, company, tester

NOON = 1_893_499_200  # 2030-01-01 12:00 UTC
Wait = Callable[[float], object]
LOCKS: list[Any] = [type(threading.Lock()), type(threading.RLock())]
KEPT = threading.Lock()
EARLY = threading.Condition()


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    clock = FakeClock()
    genuine = (threading.Condition.wait, threading.Thread.join, threading.Thread.start, time.sleep, queue.time)  # type: ignore[attr-defined]
    of_locks = [(kind.acquire, kind.__enter__) for kind in LOCKS]
    with clock.running(NOON * 10**9):
        yield clock
    assert [(kind.acquire, kind.__enter__) for kind in LOCKS] == of_locks
    assert "acquire" not in vars(threading.Condition)
    assert (threading.Condition.wait, threading.Thread.join, threading.Thread.start, time.sleep) == genuine[:4]
    assert queue.time is genuine[4]  # type: ignore[attr-defined]


def elapsed() -> float:
    return time.time() - NOON


class Beat:
    """A heartbeat, every ten seconds."""

    def __init__(self, wait: Wait) -> None:
        self.at: list[float] = []
        self.stopped = threading.Event()
        self._wait = wait
        self.thread = threading.Thread(target=self._beat)
        self.thread.start()

    def _beat(self) -> None:
        while not self.stopped.is_set():
            self._wait(10)
            self.at.append(elapsed())

    def stop(self) -> None:
        self.stopped.set()
        self.thread.join()


def poll(seconds: float) -> None:
    with pytest.raises(queue.Empty):
        queue.Queue[int]().get(timeout=seconds)


def wait_for(seconds: float) -> None:
    condition = threading.Condition()
    with condition:
        assert not condition.wait_for(lambda: False, seconds)


def want(seconds: float) -> None:
    lock = threading.Lock()
    with lock:
        assert not lock.acquire(timeout=seconds)


WAITS: dict[str, Wait] = {
    "sleep": lambda seconds: time.sleep(seconds),
    "event": lambda seconds: threading.Event().wait(seconds),
    "queue": poll,
    "condition": wait_for,
    "lock": want,
    "semaphore": lambda seconds: threading.Semaphore(0).acquire(timeout=seconds),
    "asyncio": lambda seconds: asyncio.run(asyncio.sleep(seconds)),
}
LETS_PASS: dict[str, Callable[[FakeClock], object]] = {
    "advance": lambda clock: clock.advance(60),
    "sleep": lambda clock: time.sleep(60),
    "wait": lambda clock: threading.Event().wait(60),
    "asyncio": lambda clock: asyncio.run(asyncio.sleep(60)),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("let_pass", LETS_PASS.values(), ids=LETS_PASS)
def test_a_thread_wakes_up_at_its_times(clock: FakeClock, wait: Wait, let_pass: Callable[[FakeClock], object]) -> None:
    beat = Beat(wait)
    let_pass(clock)
    assert (beat.at, elapsed()) == ([10, 20, 30, 40, 50, 60], 60)
    beat.stop()
    assert beat.at[6:] == [70]


def test_time_stands_still_while_nobody_lets_it_pass(clock: FakeClock) -> None:
    beat = Beat(WAITS["sleep"])
    for _ in range(1000):
        assert elapsed() == 0
    assert beat.at == []
    beat.stop()


def test_two_threads_take_turns(clock: FakeClock) -> None:
    seen: list[tuple[str, float]] = []

    def work(name: str, seconds: float) -> None:
        for _ in range(2):
            time.sleep(seconds)
            seen.append((name, elapsed()))

    threads = [threading.Thread(target=work, args=each) for each in (("a", 10), ("b", 15))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [("a", 10), ("b", 15), ("a", 20), ("b", 30)]


def test_a_timer_fires_when_it_is_due(clock: FakeClock) -> None:
    fired: list[float] = []
    timer = threading.Timer(60, lambda: fired.append(elapsed()))
    timer.start()
    clock.advance(59)
    assert not fired
    clock.advance(1)
    assert fired == [60]
    timer.join()


def test_no_time_passes_while_a_thread_is_at_work(clock: FakeClock) -> None:
    """Who polls gives it real time, and does not run away."""
    done = threading.Event()

    def work() -> None:
        for _ in range(300_000):
            pass
        done.set()

    threading.Thread(target=work).start()
    assert done.wait(60)
    assert elapsed() == 0


def test_pools_sleep_in_virtual_time(clock: FakeClock) -> None:
    with ThreadPoolExecutor(2) as pool:
        short, long = pool.submit(time.sleep, 60), pool.submit(time.sleep, 90)
        short.result()
        assert elapsed() == 60
        with pytest.raises(TimeoutError if hasattr(asyncio, "timeout") else Exception):
            long.result(timeout=10)
        assert elapsed() == 70
    assert elapsed() == 90


def test_threads_of_an_event_loop_sleep_in_virtual_time(clock: FakeClock) -> None:
    async def main() -> None:
        await asyncio.gather(asyncio.to_thread(time.sleep, 60), asyncio.sleep(30))
        assert elapsed() == 60
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(time.sleep, 60), 10)
        assert elapsed() == 70

    asyncio.run(main())
    assert elapsed() == 120


def test_a_loop_that_has_just_been_closed_does_not_wait() -> None:
    """Another thread may look at it in that moment."""
    selector = selectors.DefaultSelector()
    selected = tester._Selected(selector, lambda: None)
    assert not selected.has_come()
    selector.close()
    assert selected.has_come()


def test_who_polls_keeps_nobody_waiting_for_days(clock: FakeClock) -> None:
    beat = Beat(lambda _: time.sleep(0.001))
    clock.advance(7 * 24 * 3600)
    assert elapsed() == 7 * 24 * 3600
    beat.stop()


def test_a_thread_goes_on_in_real_time_where_nobody_can_let_time_pass(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test waits in C for a thread that sleeps: nothing hangs."""
    monkeypatch.setattr(company, "_STILL", 0.02)
    answers = queue.SimpleQueue[int]()

    def work() -> None:
        end = time.time() + 0.02
        while time.time() < end:
            time.sleep(0.01)
        answers.put(1)

    thread = threading.Thread(target=work)
    thread.start()
    answers.get()
    thread.join()


def holding(lock: AbstractContextManager[Any], seconds: float) -> threading.Thread:
    """A thread that does, from now on."""
    has_it = threading.Event()

    def hold() -> None:
        with lock:
            has_it.set()
            time.sleep(seconds)

    thread = threading.Thread(target=hold)
    thread.start()
    has_it.wait()
    return thread


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition, lambda: KEPT, lambda: EARLY])
def test_who_waits_for_a_lock_gets_it_or_gives_up_at_its_virtual_moment(
    clock: FakeClock, make: Callable[[], Any]
) -> None:
    lock = make()
    holder, seen = holding(lock, 30), dict[float, tuple[bool, float]]()

    def work(seconds: float) -> None:
        got = lock.acquire(timeout=seconds)
        seen[seconds] = got, elapsed()
        if got:
            lock.release()

    threads = [threading.Thread(target=work, args=(seconds,)) for seconds in (10, 15, 60)]
    for thread in threads:
        thread.start()
    assert not lock.acquire(timeout=5)
    assert elapsed() == 5
    assert lock.acquire(timeout=3600)
    assert elapsed() == 30
    lock.release()
    for thread in [holder, *threads]:
        thread.join()
    assert seen == {10: (False, 10), 15: (False, 15), 60: (True, 30)}


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition, lambda: KEPT, lambda: EARLY])
def test_who_waits_for_a_lock_without_a_limit_gets_it_when_it_is_free(
    clock: FakeClock, make: Callable[[], Any]
) -> None:
    lock = make()
    for hour, take in enumerate((lock.__enter__, lock.acquire), 1):
        holder = holding(lock, 3600)
        take()
        assert elapsed() == hour * 3600
        lock.release()
        holder.join()


def test_who_joins_a_thread_gives_up_at_its_virtual_moment(clock: FakeClock) -> None:
    thread = holding(threading.Lock(), 100)
    thread.join(10)
    assert (thread.is_alive(), elapsed()) == (True, 10)
    thread.join()
    assert elapsed() == 100


def test_locks_refuse_what_they_always_refuse(clock: FakeClock) -> None:
    with KEPT:
        assert not KEPT.acquire(blocking=False)
        assert not KEPT.acquire(timeout=0)
        for arguments in ((True, -2), (False, 1)):
            with pytest.raises(ValueError, match="timeout"):
                KEPT.acquire(*arguments)
    assert elapsed() == 0


def test_a_condition_that_outlives_the_test_waits_in_real_time() -> None:
    """It keeps the methods that its lock had when it was made."""
    clock = FakeClock()
    with clock.running(NOON * 10**9):
        condition = threading.Condition(threading.Lock())
    with condition:
        assert not condition.acquire(timeout=0.001)
    thread = threading.Thread(target=condition.acquire)
    with condition:
        thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_a_thread_that_outlives_the_test_ends_its_wait() -> None:
    def work() -> None:
        for seconds in (60, 0.01):
            poll(seconds)

    thread = threading.Thread(target=work)
    clock = FakeClock()
    with clock.running(NOON * 10**9):
        thread.start()
        clock.advance(60)
    thread.join(30)
    assert not thread.is_alive()


def test_a_condition_has_to_be_held(clock: FakeClock) -> None:
    with pytest.raises(RuntimeError, match="un-acquired"):
        threading.Condition().wait(1)
    with pytest.raises(RuntimeError, match="current thread"):
        threading.current_thread().join()
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)
