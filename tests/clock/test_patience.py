"""How long an event loop listens before it jumps: a second where an answer may come, hardly where none is awaited."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from jobchaos.clock.loop import run_coroutine, virtual_loop
from jobchaos.clock.patience import ANSWER, Ready
from jobchaos.clock.virtual import VirtualClock

HOUR = 3600
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def listened(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Grows with the real seconds that a loop would listen for; it never does."""
    listened: list[float] = []
    select = selectors.DefaultSelector.select

    def look(selector: selectors.DefaultSelector, timeout: float | None = None) -> Ready:
        if timeout:
            listened.append(timeout)
        return select(selector, 0)

    monkeypatch.setattr(selectors.DefaultSelector, "select", look)
    return listened


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """One that is no part of the loop, and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield silent.getsockname()


def run(job: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
    clock = VirtualClock(0)
    run_coroutine(job(*args), clock, lambda: None)
    assert clock.now() == HOUR * 10**9


@contextlib.asynccontextmanager
async def connected(address: tuple[str, int]) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def sleeps(address: tuple[str, int]) -> None:
    async with connected(address):
        await asyncio.sleep(HOUR)


async def sleeps_beside_others(address: tuple[str, int]) -> None:
    async with connected(address):
        await asyncio.gather(asyncio.sleep(HOUR), asyncio.create_task(asyncio.sleep(60)))


async def sleeps_within_a_limit(address: tuple[str, int]) -> None:
    async with connected(address), asyncio.timeout(2 * HOUR):
        await asyncio.sleep(HOUR)


async def waits_for_a_sleeper(address: tuple[str, int]) -> None:
    async with connected(address):
        await asyncio.create_task(asyncio.sleep(HOUR))


async def reads(address: tuple[str, int]) -> None:
    async with connected(address) as (reader, _):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(), HOUR)


async def reads_beside_a_sleep(address: tuple[str, int]) -> None:
    async with connected(address) as (reader, _):
        reading = asyncio.create_task(reader.read())
        await asyncio.sleep(HOUR)
        reading.cancel()


async def gathers_what_it_reads(address: tuple[str, int]) -> None:
    async with connected(address) as (reader, _):
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(reader.read(), asyncio.sleep(2 * HOUR)), HOUR)


async def waits_for_a_callback(address: tuple[str, int]) -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(HOUR, lambda late: late.set_result(None), answer)  # or a protocol does it
    async with connected(address):
        await answer


NEED_TIMEOUT = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is new in Python 3.11")


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(sleeps, id="sleeps"),
        pytest.param(sleeps_beside_others, id="beside others"),
        pytest.param(sleeps_within_a_limit, id="within a limit", marks=NEED_TIMEOUT),
        pytest.param(waits_for_a_sleeper, id="waits for a sleeper"),
    ],
)
def test_where_all_sleep_an_idle_connection_costs_next_to_nothing(
    job: Any, listened: list[float], server: tuple[str, int]
) -> None:
    run(job, server)
    assert listened
    assert max(listened) <= 0.02


@pytest.mark.parametrize("job", [reads, reads_beside_a_sleep, gathers_what_it_reads, waits_for_a_callback])
def test_where_somebody_waits_for_an_answer_it_has_a_second(
    job: Any, listened: list[float], server: tuple[str, int]
) -> None:
    run(job, server)
    assert max(listened) == ANSWER


def test_callbacks_may_wait_for_an_answer_too(listened: list[float], server: tuple[str, int]) -> None:
    loop: Any = virtual_loop(VirtualClock(0), lambda: None)
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, *server))
    loop.call_later(HOUR, loop.stop)
    loop.run_forever()
    assert max(listened) == ANSWER
    transport.close()
    loop.wind_up()


async def speaks_to_itself(outside: tuple[str, int] | None = None) -> None:
    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.read()

    inside = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(inside)
        await stack.enter_async_context(connected(inside.sockets[0].getsockname()))
        if outside is not None:
            await stack.enter_async_context(connected(outside))
        await asyncio.sleep(HOUR)


def test_a_loop_that_has_both_ends_has_nobody_to_wait_for(listened: list[float]) -> None:
    run(speaks_to_itself)
    assert max(listened) <= 0.02


def test_but_it_waits_for_a_third_one(listened: list[float], server: tuple[str, int]) -> None:
    run(speaks_to_itself, server)
    assert max(listened) == ANSWER


def test_no_timer_is_overslept(listened: list[float], server: tuple[str, int]) -> None:
    async def job() -> None:
        async with connected(server):
            for _ in range(2):
                await asyncio.sleep(0.001)
            await asyncio.sleep(HOUR - 0.002)

    run(job)
    assert listened[0] <= 0.001
