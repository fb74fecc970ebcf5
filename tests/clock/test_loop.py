"""Coroutine jobs wait in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobchaos.clock.loop import run_coroutine
from jobchaos.clock.patience import Ready
from jobchaos.clock.virtual import VirtualClock

HOUR = 3600 * 10**9


def nobody() -> None:
    """No worker: the calling thread is not controlled."""


@pytest.mark.parametrize("start", [0, 1_795_480_130_561_346_173])
def test_sleeping_takes_virtual_time_only(start: int) -> None:
    clock = VirtualClock(start)

    async def job() -> str:
        await asyncio.sleep(3600)
        return "done"

    assert run_coroutine(job(), clock, nobody) == "done"
    assert clock.now() == start + HOUR


def test_a_timeout_strikes_at_its_virtual_moment() -> None:
    clock = VirtualClock(0)

    async def job() -> None:
        await asyncio.wait_for(asyncio.Event().wait(), 60)

    with pytest.raises(asyncio.TimeoutError):
        run_coroutine(job(), clock, nobody)
    assert clock.now() == 60 * 10**9


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is new in Python 3.11")
@pytest.mark.parametrize("limit", ["timeout", "timeout_at"])
def test_so_does_a_block_with_a_limit(limit: str) -> None:
    clock = VirtualClock(7)

    async def job() -> None:
        seconds = 60 if limit == "timeout" else asyncio.get_running_loop().time() + 60
        async with getattr(asyncio, limit)(seconds):
            await asyncio.sleep(61)

    with pytest.raises(asyncio.TimeoutError):
        run_coroutine(job(), clock, nobody)
    assert clock.now() == 60 * 10**9 + 7


def test_what_is_left_of_a_time_passes_however_short_it_is() -> None:
    async def job() -> int:
        loop, waits = asyncio.get_running_loop(), 0
        end = loop.time() + 4e-10
        while loop.time() < end and waits < 10:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), end - loop.time())
            waits += 1
        return waits

    assert run_coroutine(job(), VirtualClock(0), nobody) == 1


def test_a_real_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is no part of the loop, and answers as soon as the loop does more than glance."""
    clock, listens = VirtualClock(0), threading.Event()
    select = selectors.DefaultSelector.select

    def listening(selector: selectors.DefaultSelector, timeout: float | None = None) -> Ready:
        if timeout and timeout > 0.1:
            listens.set()
        return select(selector, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", listening)

    def answer(server: socket.socket) -> None:
        with server.accept()[0] as connection:
            listens.wait()
            connection.sendall(b"hello\n")

    async def job(address: tuple[str, int]) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        try:
            return await asyncio.wait_for(reader.readline(), 3600)
        finally:
            writer.close()

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        answering = pool.submit(answer, server)
        try:
            assert run_coroutine(job(server.getsockname()), clock, nobody) == b"hello\n"
        finally:
            listens.set()
        answering.result()
    assert clock.now() == 0


def test_tasks_left_behind_are_cancelled_and_the_loop_is_closed() -> None:
    cancelled = []

    async def forgotten() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def job() -> asyncio.AbstractEventLoop:
        asyncio.ensure_future(forgotten())  # noqa: RUF006 - the mistake under test
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    assert run_coroutine(job(), VirtualClock(0), nobody).is_closed()
    assert cancelled == [True]


def test_a_callback_comes_at_its_virtual_moment() -> None:
    clock = VirtualClock(7)
    times: list[int] = []

    async def job() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(60, lambda: times.append(clock.now()))
        loop.call_at(loop.time() + 30.000_000_001, lambda: times.append(clock.now()))
        async with asyncio.timeout(90) if sys.version_info >= (3, 11) else Nothing():
            await asyncio.sleep(61)
        return loop.time()

    assert run_coroutine(job(), clock, nobody) == 61
    assert times == [30_000_000_008, 60_000_000_007]
    assert clock.now() == 61_000_000_007


class Nothing:
    """In place of what Python 3.10 does not have."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


def test_nested_timeouts_strike_from_the_inside() -> None:
    clock = VirtualClock(0)

    async def inner() -> str:
        try:
            await asyncio.wait_for(asyncio.sleep(HOUR), 5)
        except asyncio.TimeoutError:
            return "inner"
        return "none"

    async def job() -> str:
        return await asyncio.wait_for(inner(), 10)

    assert run_coroutine(job(), clock, nobody) == "inner"
    assert clock.now() == 5 * 10**9


# --- what is real is waited for --------------------------------------------------------------------------------------


@pytest.mark.parametrize("own_pool", [False, True])
def test_a_job_of_an_executor_is_waited_for(own_pool: bool) -> None:
    clock = VirtualClock(0)
    go = threading.Event()

    async def job() -> str:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            threading.Timer(0.05, go.set).start()
            work = loop.run_in_executor(pool if own_pool else None, lambda: go.wait() and "done")
            return str(await asyncio.wait_for(work, 3600))

    assert run_coroutine(job(), clock, nobody) == "done"
    assert clock.now() == 0


def test_after_that_time_jumps_again() -> None:
    clock = VirtualClock(0)

    async def job() -> None:
        await asyncio.gather(asyncio.get_running_loop().run_in_executor(None, int), asyncio.sleep(3600))

    run_coroutine(job(), clock, nobody)
    assert clock.now() == HOUR


@pytest.mark.skipif(sys.platform == "win32", reason="selector loops of Windows have no subprocesses")
@pytest.mark.parametrize("piped", [False, True])
def test_a_process_is_waited_for(piped: bool) -> None:
    clock = VirtualClock(0)
    out = asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL

    async def job() -> int | None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdin=out, stdout=out)
        await asyncio.wait_for(process.communicate(), 3600)
        return process.returncode

    assert run_coroutine(job(), clock, nobody) == 0
    assert clock.now() == 0


def test_an_idle_connection_does_not_stop_time() -> None:
    clock = VirtualClock(0)

    async def job() -> None:
        async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            await asyncio.sleep(3600)
            writer.close()
            await writer.wait_closed()

    run_coroutine(job(), clock, nobody)
    assert clock.now() == HOUR


# --- what nobody ends ------------------------------------------------------------------------------------------------


class Waiting:
    """A worker that remembers what it waits for, and is woken by `wake`."""

    def __init__(self, wake: Any) -> None:
        self.wake = wake
        self.waits: list[tuple[str, int | None]] = []
        self.unblocked = 0

    def wait(self, resource: str, deadline: int | None) -> bool:
        self.waits.append((resource, deadline))
        self.wake()
        return True

    def unblock(self) -> None:
        self.unblocked += 1


def test_a_loop_that_nothing_wakes_waits_in_the_schedule() -> None:
    woken: list[Any] = []
    worker = Waiting(lambda: woken.pop()())

    async def job() -> str:
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        woken.append(lambda: loop.call_soon_threadsafe(event.set))
        await event.wait()
        return "woken"

    assert run_coroutine(job(), VirtualClock(0), lambda: worker) == "woken"  # type: ignore[arg-type,return-value]
    assert worker.waits == [("event loop:a task that nobody wakes", None)]
    assert worker.unblocked == 1


def test_a_worker_that_dies_there_takes_its_loop_along() -> None:
    def die() -> None:
        raise KeyboardInterrupt

    worker = Waiting(die)
    loops: list[asyncio.AbstractEventLoop] = []

    async def job() -> None:
        loops.append(asyncio.get_running_loop())
        await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        run_coroutine(job(), VirtualClock(0), lambda: worker)  # type: ignore[arg-type,return-value]
    assert loops[0].is_closed()


def test_what_a_worker_hands_to_an_executor_runs_in_its_own_thread() -> None:
    worker: Any = object()
    seen: list[Any] = []

    def work(number: int) -> int:
        seen.append(threading.current_thread())
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return 10 // number

    async def job() -> None:
        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(work, 2) == 5
        with ThreadPoolExecutor(1) as pool:
            assert await loop.run_in_executor(pool, work, 5) == 2
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(work, 0)
        assert await asyncio.gather(*(asyncio.to_thread(work, number) for number in (1, 2))) == [10, 5]
        assert asyncio.get_running_loop() is loop

    run_coroutine(job(), VirtualClock(0), lambda: worker)
    assert set(seen) == {threading.current_thread()}


def test_who_waits_for_it_with_a_limit_gives_up_at_its_virtual_moment() -> None:
    worker: Any = object()
    clock = VirtualClock(0)

    async def job() -> None:
        await asyncio.wait_for(asyncio.to_thread(clock.advance, 5 * 10**9), 5.1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(clock.advance, 5 * 10**9), 4.9)

    run_coroutine(job(), clock, lambda: worker)


def test_three_days_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, waits = VirtualClock(0), set[float | None]()
    select = selectors.DefaultSelector.select

    def watched(selector: selectors.DefaultSelector, timeout: float | None = None) -> Ready:
        waits.add(timeout)
        return select(selector, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", watched)

    async def job() -> None:
        for _ in range(3 * 24):
            await asyncio.sleep(3600)

    run_coroutine(job(), clock, nobody)
    assert clock.now() == 72 * HOUR
    assert waits == {0}  # real seconds
