"""A silent server, to a job with an event loop: what awaits it ends when the job's own timers say so."""

from __future__ import annotations

import asyncio
import functools
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import httpx
import pytest

from jobchaos.clock.loop import virtual_loop
from jobchaos.core.ports import Control
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.event_loops import EventLoopProbe
from jobchaos.probes.httpx import HTTPXProbe
from jobchaos.probes.transports import TransportProbe
from tests.probes.conftest import Watch
from tests.probes.servers import WebServer, web_server

SECOND = 10**9


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


class Current(TransportProbe):
    """Also tells who the calling thread runs, which the event loop wants to know."""

    def install(self, control: Control) -> None:
        super().install(control)
        self.current = control.current


async def asks(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"PUT /x HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        return await reader.read(12)
    finally:
        writer.close()


async def asks_within(port: int, *limits: float) -> bytes:
    """With as many limits around each other."""
    if not limits:
        return await asks(port)
    return await asyncio.wait_for(asks_within(port, *limits[1:]), limits[0])


Job = Callable[[], Coroutine[Any, Any, object]]


def watched(watch: Watch, job: Job, token: str) -> RunResult:
    probe = Current()
    loops = EventLoopProbe(watch.bindings, functools.partial(virtual_loop, watch.clock, lambda: probe.current()))
    return watch(lambda: asyncio.run(job()), token, probe, loops)


def raised(run: RunResult) -> list[tuple[float, str]]:
    return [(event.at / SECOND, event.detail) for event in run.trace.events if event.happening is Happening.RAISED]


TIMEOUT = "TimeoutError"


@pytest.mark.parametrize("token", ["A0!hang", "A0!hang2", "A0!late2"])
@pytest.mark.parametrize(
    ("limits", "at"), [((5000,), 5000), ((6000, 5000), 5000), ((5000, 6000), 5000), ((7000, 5000, 6000), 5000)]
)
def test_the_limit_around_it_ends_it_at_its_virtual_moment(
    watch: Watch, web: WebServer, token: str, limits: tuple[float, ...], at: float
) -> None:
    run = watched(watch, lambda: asks_within(web.server_port, *limits), token)
    assert [(moment, text.rstrip(": ")) for moment, text in raised(run)] == [(at, TIMEOUT)]
    assert run.completed
    assert run.carried_out
    assert len(web.received) == (2 if "late" in token else 1)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is new in 3.11")
def test_nested_timeouts(watch: Watch, web: WebServer) -> None:
    moments: list[float] = []

    async def gives_up_twice() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.timeout(10):  # type: ignore[attr-defined,unused-ignore]
            try:
                async with asyncio.timeout(3):  # type: ignore[attr-defined,unused-ignore]
                    await asks(web.server_port)
            except TimeoutError:
                moments.append(loop.time() - start)
            await asks(web.server_port)

    run = watched(watch, gives_up_twice, "A0!hang2")
    assert moments[0] == 3
    assert [at for at, _ in raised(run)] == [10]


def test_without_a_limit_it_waits_for_ever_in_no_time(watch: Watch, web: WebServer) -> None:
    run = watched(watch, lambda: asks(web.server_port), "A0!hang2")
    copy = run.copies["A"]
    assert not copy.completed
    assert copy.error.startswith("waits for ever")
    assert copy.hung is not None
    assert copy.hung.advice == "asyncio.timeout(...) or asyncio.wait_for(..., timeout=...) around it"
    assert copy.hung.site is not None
    assert copy.hung.site.function == "asks"


def test_others_go_on_in_the_meantime(watch: Watch, web: WebServer) -> None:
    ticks: list[float] = []

    async def asks_beside_a_clock() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()

        async def clock() -> None:
            while True:
                await asyncio.sleep(1)
                ticks.append(loop.time() - start)

        ticking = asyncio.ensure_future(clock())
        try:
            await asyncio.wait_for(asks(web.server_port), 3.5)
        finally:
            ticking.cancel()

    watched(watch, asks_beside_a_clock, "A0!hang2")
    assert ticks[:3] == [1, 2, 3]


@pytest.mark.parametrize("token", ["A", "A0!slow"])
def test_answers_come_in_the_order_of_the_questions(watch: Watch, token: str) -> None:
    """However fast the servers are: here the first one answers when the second has."""
    answers: list[bytes] = []
    second_has_answered = threading.Event()

    def serve(listener: socket.socket, number: int) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            if number == 1:
                second_has_answered.wait()
            connection.sendall(b"%d" % number)
            if number == 2:
                second_has_answered.set()

    async def ask(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"?")
        answers.append(await reader.read(1))
        writer.close()

    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    threads = [threading.Thread(target=serve, args=one) for one in zip(listeners, (1, 2), strict=True)]
    for thread in threads:
        thread.start()

    async def job() -> None:
        await asyncio.gather(*(ask(listener.getsockname()[1]) for listener in listeners))

    watched(watch, job, token)
    for thread, listener in zip(threads, listeners, strict=True):
        thread.join()
        listener.close()
    assert answers == [b"1", b"2"]


def test_what_a_task_of_a_library_meets_is_told_where_the_job_waits_for_it(watch: Watch, web: WebServer) -> None:
    """None of the project's lines is on that task's own stack."""
    url = f"http://127.0.0.1:{web.server_port}/x"

    async def job() -> None:
        async with httpx.AsyncClient(timeout=None) as client:
            await asyncio.gather(client.put(url))

    probe = Current()
    loops = EventLoopProbe(watch.bindings, functools.partial(virtual_loop, watch.clock, lambda: probe.current()))
    copy = watch(lambda: asyncio.run(job()), "A0!hang", HTTPXProbe(), probe, loops).copies["A"]
    assert copy.hung is not None
    assert copy.hung.site is not None
    assert copy.hung.site.function == "job"
