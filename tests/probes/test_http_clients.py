"""The same request is the same effect and record, whichever client sends it, and whoever answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import aiohttp
import httpx
import pytest
import requests
import requests_mock
import responses
import respx
import urllib3
from pytest_httpserver import HTTPServer

from jobchaos.clock.loop import virtual_loop
from jobchaos.core.ports import Probe
from jobchaos.core.result import RunResult
from jobchaos.errors import ForeignHostError
from jobchaos.probes.aiohttp import AiohttpProbe
from jobchaos.probes.event_loops import EventLoopProbe
from jobchaos.probes.http import HTTPProbe
from jobchaos.probes.httpx import HTTPXProbe
from jobchaos.probes.requests import RequestsMockProbe, RequestsProbe
from jobchaos.probes.spawn import SpawnProbe
from tests.probes.conftest import Watch, seen
from tests.probes.servers import WebServer, web_server

Send = Callable[[str, str, dict[str, str]], int]


def with_requests(url: str, body: str, headers: dict[str, str]) -> int:
    return requests.post(url, data=body, headers=headers, timeout=10).status_code


def with_urllib3(url: str, body: str, headers: dict[str, str]) -> int:
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("POST", url, body=body, headers=headers).status


def with_httpx(url: str, body: str, headers: dict[str, str]) -> int:
    return httpx.post(url, content=body, headers=headers).status_code


def with_httpx_async(url: str, body: str, headers: dict[str, str]) -> int:
    async def send() -> int:
        async with httpx.AsyncClient() as client:
            return (await client.post(url, content=body, headers=headers)).status_code

    return asyncio.run(send())


def with_aiohttp(url: str, body: str, headers: dict[str, str]) -> int:
    async def send() -> int:
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
            await response.read()
            return response.status

    return asyncio.run(send())


ALL: Sequence[Send] = (with_requests, with_urllib3, with_httpx, with_httpx_async, with_aiohttp)
every_client = pytest.mark.parametrize("send", ALL)


def probes() -> list[Probe]:
    return [HTTPProbe(), RequestsProbe(), RequestsMockProbe(), HTTPXProbe(), AiohttpProbe()]


@pytest.fixture
def running() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def url(running: WebServer) -> str:
    return f"http://127.0.0.1:{running.server_port}/charges"


@every_client
def test_a_post_is_one_effect_and_one_record(watch: Watch, running: WebServer, url: str, send: Send) -> None:
    run = watch(lambda: send(url, "{}", {"Idempotency-Key": "k"}), "A", *probes())
    assert seen(run) == [f"POST {url} 200"]
    (record,) = watch.recorder.records
    assert record.values == ("POST", url, "{}")
    assert record.identity == ("POST", url, "k")
    assert running.received == ["POST /charges {}"]


@every_client
def test_a_refused_request_is_no_foreign_effect(watch: Watch, url: str, send: Send) -> None:
    run = watch(lambda: send(url.replace("charges", "conflict"), "{}", {}), "A", *probes())
    assert seen(run)[0].endswith("RefusedError: 409 Conflict")
    assert watch.recorder.records == []


FAILURES: dict[Send, tuple[type[Exception], type[Exception]]] = {
    with_requests: (requests.ConnectionError, requests.ConnectionError),
    with_urllib3: (urllib3.exceptions.ProtocolError, urllib3.exceptions.ProtocolError),
    with_httpx: (httpx.ConnectError, httpx.ReadError),
    with_httpx_async: (httpx.ConnectError, httpx.ReadError),
    with_aiohttp: (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError),
}


@every_client
def test_an_injected_failure_is_the_clients_own(watch: Watch, running: WebServer, url: str, send: Send) -> None:
    caught: list[Exception] = []

    def job() -> None:
        try:
            send(url, "{}", {})
        except Exception as error:  # noqa: BLE001
            caught.append(error)

    watch(job, "A0!fail", *probes())
    assert (running.received, watch.recorder.records) == ([], [])
    watch(job, "A0!lost", *probes())
    assert running.received == ["POST /charges {}"]
    assert len(watch.recorder.records) == 1
    assert [type(error) for error in caught] == list(FAILURES[send])


@every_client
def test_a_worker_killed_before_the_request_sends_nothing(
    watch: Watch, running: WebServer, url: str, send: Send
) -> None:
    def job() -> None:
        try:
            send(url, "first", {})
        finally:
            send(url, "cleanup", {})

    watch(job, "A0!kill A", *probes())
    assert running.received == ["POST /charges first", "POST /charges cleanup"]


@every_client
def test_a_foreign_host_is_refused_before_a_byte_is_sent(watch: Watch, send: Send) -> None:
    with pytest.raises(ForeignHostError, match=r"192\.0\.2\.1"):
        watch(lambda: send("http://192.0.2.1/charges", "{}", {}), "A", *probes())


@every_client
def test_localhost_is_looked_up_without_a_thread(watch: Watch, url: str, send: Send) -> None:
    loops = EventLoopProbe(watch.bindings, lambda: virtual_loop(watch.clock, lambda: None))
    local = url.replace("127.0.0.1", "localhost")
    run = watch(lambda: send(local, "{}", {}), "A", *probes(), loops, SpawnProbe(watch.bindings))
    assert len(seen(run)) == 1
    assert run.oddities == ()


@every_client
def test_pytest_httpserver_is_a_server_like_any_other(watch: Watch, httpserver: HTTPServer, send: Send) -> None:
    httpserver.expect_request("/charges").respond_with_data("ok")
    run = watch(lambda: send(httpserver.url_for("/charges"), "{}", {}), "A A", *probes())
    assert len(seen(run)) == len(watch.recorder.records) == len(httpserver.log) == 2


PAYMENTS = "https://payments.example/charges"


def faked_by_responses(job: Callable[[], object]) -> object:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as fake:
        fake.post(PAYMENTS, json={})
        return job()


def faked_by_requests_mock(job: Callable[[], object]) -> object:
    with requests_mock.Mocker() as fake:
        fake.post(PAYMENTS, json={})
        return job()


def faked_by_respx(job: Callable[[], object]) -> object:
    with respx.mock(assert_all_called=False) as fake:
        fake.post(PAYMENTS).respond(200)
        return job()


FAKES: Sequence[tuple[Callable[[Callable[[], object]], object], Send]] = (
    (faked_by_responses, with_requests),
    (faked_by_requests_mock, with_requests),
    (faked_by_respx, with_httpx),
    (faked_by_respx, with_httpx_async),
)


@pytest.mark.parametrize(("faked", "send"), FAKES)
@pytest.mark.parametrize("inside", [False, True], ids=["around", "inside"])
def test_what_a_fake_answers_is_seen_and_goes_to_no_host(
    watch: Watch, faked: Callable[[Callable[[], object]], object], send: Send, inside: bool
) -> None:
    def job() -> int:
        return send(PAYMENTS, '{"cents": 1}', {"Idempotency-Key": "k"})

    run = watch(lambda: faked(job), "A A", *probes()) if inside else faked(lambda: watch(job, "A A", *probes()))
    assert isinstance(run, RunResult)
    assert seen(run) == [f"POST {PAYMENTS} 200"] * 2
    assert [record.identity for record in watch.recorder.records] == [("POST", PAYMENTS, "k")] * 2
    assert watch.recorder.records[0].values[2] == '{"cents": 1}'


class Impatient(requests.adapters.HTTPAdapter):
    """What many projects have: an adapter that sets something, and leaves the rest to the genuine one."""

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        return super().send(request, **kwargs)  # type: ignore[arg-type]


def test_an_adapter_that_calls_the_genuine_one_is_one_effect(watch: Watch, url: str) -> None:
    def job() -> None:
        with requests.Session() as session:
            session.mount("http://", Impatient())
            session.post(url, data="{}")

    assert seen(watch(job, "A", *probes())) == [f"POST {url} 200"]
    assert len(watch.recorder.records) == 1


def test_repetitions_by_urllib3_are_requests_of_their_own(watch: Watch, running: WebServer, url: str) -> None:
    def job() -> None:
        with requests.Session() as session:
            retry = urllib3.Retry(2, allowed_methods=None, backoff_factor=0)
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
            session.post(url, data="{}")

    run = watch(job, "A0!lost", *probes())
    assert len(seen(run)) == len(watch.recorder.records) == len(running.received) == 2


def test_two_requests_at_once_are_told_apart(watch: Watch, running: WebServer, url: str) -> None:
    async def both() -> None:
        async with httpx.AsyncClient() as client:
            await asyncio.gather(client.post(url, content="one"), client.post(url, content="two"))

    run = watch(lambda: asyncio.run(both()), "A", *probes())
    assert seen(run) == [f"POST {url} 200"] * 2
    assert sorted(str(record.values[2]) for record in watch.recorder.records) == ["one", "two"]


def test_everything_is_back_afterwards(watch: Watch, url: str) -> None:
    owners = (requests.Session, httpx.Client, httpx.AsyncClient, aiohttp.ClientResponse, aiohttp.BaseConnector)
    before = [dict(vars(owner)) for owner in owners]
    watch(lambda: with_httpx(url, "", {}), "A", *probes())
    assert [dict(vars(owner)) for owner in owners] == before
