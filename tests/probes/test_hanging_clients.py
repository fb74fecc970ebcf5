"""Servers that do not answer, simulated, to clients with timeouts of their own: the same error at the same moment."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable, Iterator

import aiohttp
import aiosmtplib
import httpx
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobchaos.clock.loop import virtual_loop
from jobchaos.core.ports import Control
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.aiohttp import AiohttpProbe
from jobchaos.probes.aiosmtplib import AiosmtplibProbe
from jobchaos.probes.event_loops import EventLoopProbe
from jobchaos.probes.httpx import HTTPXProbe
from jobchaos.probes.redis import RedisProbe
from jobchaos.probes.sockets import SocketProbe
from jobchaos.probes.transports import TransportProbe
from tests.probes.conftest import Watch
from tests.probes.servers import mail_server, web_server

SECOND = 10**9
SHORT = 0.05

Client = Callable[[int, "float | None"], None]


class Current(TransportProbe):
    """Also tells who the calling thread runs, which the event loop wants to know."""

    def install(self, control: Control) -> None:
        super().install(control)
        self.current = control.current


def gets(port: int, timeout: float | None) -> None:
    once = Retry(NoBackoff(), 0)
    with redis.Redis(port=port, socket_timeout=timeout, socket_connect_timeout=timeout, retry=once) as client:
        client.get("jobchaos")


def posts(port: int, timeout: float | None) -> None:
    httpx.post(f"http://127.0.0.1:{port}/charges", content=b"{}", timeout=timeout)


async def posts_later(port: int, timeout: float | None) -> None:
    async with httpx.AsyncClient(timeout=timeout) as client:
        await client.post(f"http://127.0.0.1:{port}/charges", content=b"{}")


async def posts_by_aiohttp(port: int, timeout: float | None) -> None:
    limits = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
    async with aiohttp.ClientSession(timeout=limits) as session:
        url = f"http://127.0.0.1:{port}/charges"
        async with session.post(url, data=b"{}", headers={"Connection": "close"}) as answer:
            await answer.read()


async def posts_by_aiohttp_in_all(port: int, timeout: float | None) -> None:
    limit, url = aiohttp.ClientTimeout(total=timeout), f"http://127.0.0.1:{port}/charges"
    async with aiohttp.ClientSession(timeout=limit) as session, session.post(url, data=b"{}") as answer:
        await answer.read()


async def mails(port: int, timeout: float | None) -> None:
    text = "From: shop@example.com\r\nTo: ann@example.com\r\n\r\nHello"
    await aiosmtplib.send(
        text, sender="shop@example.com", recipients=["ann@example.com"], hostname="127.0.0.1", port=port,
        timeout=timeout, start_tls=False,
    )  # fmt: skip


def running(job: Callable[[int, float | None], object]) -> Client:
    @functools.wraps(job)
    def run(port: int, timeout: float | None) -> None:
        if asyncio.iscoroutinefunction(job):
            asyncio.run(job(port, timeout))
        else:
            job(port, timeout)

    return run


CLIENTS = [gets, posts, posts_later, posts_by_aiohttp, posts_by_aiohttp_in_all, mails]


@pytest.fixture(scope="module")
def ports(jobchaos_redis: str) -> Iterator[dict[str, int]]:
    """Of servers that do answer."""
    with web_server() as web, mail_server() as mail:
        mailing, getting = mail.port, int(jobchaos_redis.rpartition(":")[2].partition("/")[0])
        yield {job.__name__: web.server_port for job in CLIENTS} | {"mails": mailing, "gets": getting}


def watched(watch: Watch, job: Callable[[], None], token: str) -> RunResult:
    transports = Current()
    loops = EventLoopProbe(watch.bindings, functools.partial(virtual_loop, watch.clock, lambda: transports.current()))
    clients = (RedisProbe(), HTTPXProbe(), AiohttpProbe(), AiosmtplibProbe())
    return watch(job, token, *clients, SocketProbe(), transports, loops)


def raised(run: RunResult) -> list[tuple[float, str]]:
    return [
        (event.at / SECOND, without_numbers(event.detail))
        for event in run.trace.events
        if event.happening is Happening.RAISED
    ]


def without_numbers(text: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+|port \d+", "", text).strip(": ")


@pytest.mark.parametrize("job", CLIENTS)
@pytest.mark.parametrize(("token", "is_connected"), [("A0!hang", False), ("A0!hang2", True)])
def test_a_simulated_silence_raises_what_a_real_one_raises(
    watch: Watch, ports: dict[str, int], silent: int, full: int, job: Client, token: str, is_connected: bool
) -> None:
    client = running(job)
    run = watched(watch, lambda: client(ports[job.__name__], SHORT), token)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the question
        client(silent if is_connected else full, SHORT)
    real = without_numbers(f"{type(caught.value).__name__}: {caught.value}")
    assert raised(run) == [(SHORT, real)]
    assert run.completed


@pytest.mark.parametrize("job", CLIENTS)
def test_without_a_timeout_it_waits_for_ever(watch: Watch, ports: dict[str, int], job: Client) -> None:
    client = running(job)
    copy = watched(watch, lambda: client(ports[job.__name__], None), "A0!hang2").copies["A"]
    assert not copy.completed
    assert copy.error.startswith("waits for ever")
    assert copy.hung is not None
    assert copy.hung.timeout is None
    assert copy.hung.site is not None
    assert copy.hung.site.function == job.__name__
    assert copy.hung.advice == ADVICE[job.__name__]


ADVICE = {
    "gets": "redis.Redis(..., socket_timeout=..., socket_connect_timeout=...)",
    "posts": "timeout= in the request, or httpx.Client(timeout=...)",
    "posts_later": "timeout= in the request, or httpx.Client(timeout=...)",
    "posts_by_aiohttp": "aiohttp.ClientTimeout(total=...)",
    "posts_by_aiohttp_in_all": "aiohttp.ClientTimeout(total=...)",
    "mails": "aiosmtplib.send(..., timeout=...), or aiosmtplib.SMTP(timeout=...)",
}
