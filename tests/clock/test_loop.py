"""Coroutine jobs wait in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from jobchaos.clock.loop import run_coroutine
from jobchaos.clock.virtual import VirtualClock

HOUR = 3600 * 10**9


def test_sleeping_takes_virtual_time_only() -> None:
    clock = VirtualClock(0)

    async def job() -> str:
        await asyncio.sleep(3600)
        return "done"

    assert run_coroutine(job(), clock) == "done"
    assert clock.now() == HOUR


def test_a_timeout_strikes_at_its_virtual_moment() -> None:
    clock = VirtualClock(0)

    async def job() -> None:
        await asyncio.wait_for(asyncio.Event().wait(), 60)

    with pytest.raises(asyncio.TimeoutError):
        run_coroutine(job(), clock)
    assert clock.now() == 60 * 10**9


def test_real_sockets_are_waited_for() -> None:
    clock = VirtualClock(0)

    async def job() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"hello\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return line

    assert run_coroutine(job(), clock) == b"hello\n"


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

    assert run_coroutine(job(), VirtualClock(0)).is_closed()
    assert cancelled == [True]
