"""What a fake answers may hang as well: at the same virtual moment and with the same error as the real thing."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import Callable, Iterator

import httpx
import pytest
import requests
import requests_mock
import responses
import respx
from pytest_httpserver import HTTPServer

from jobchaos.clock.loop import virtual_loop
from jobchaos.core.ports import Control
from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.event_loops import EventLoopProbe
from jobchaos.probes.http import HTTPProbe
from jobchaos.probes.httpx import HTTPXProbe
from jobchaos.probes.requests import RequestsMockProbe, RequestsProbe
from jobchaos.probes.sockets import SocketProbe
from jobchaos.probes.transports import TransportProbe
from tests.probes.conftest import Watch

SECOND = 10**9
URL = "http://127.0.0.1:9/charges"
SHORT = 0.02

Send = Callable[[str, "float | None"], None]


class Current(TransportProbe):
    """Also tells who the calling thread runs, which the event loop wants to know."""

    def install(self, control: Control) -> None:
        super().install(control)
        self.current = control.current


def with_requests(url: str, timeout: float | None) -> None:
    requests.post(url, data="{}", timeout=timeout)


def with_httpx(url: str, timeout: float | None) -> None:
    httpx.post(url, content=b"{}", timeout=timeout)


def with_httpx_async(url: str, timeout: float | None) -> None:
    async def send() -> None:
        async with httpx.AsyncClient(timeout=timeout) as client:
            await client.post(url, content=b"{}")

    asyncio.run(send())


@contextlib.contextmanager
def by_responses() -> Iterator[Callable[[], int]]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as fake:
        fake.post(URL)
        yield lambda: len(fake.calls)


@contextlib.contextmanager
def by_requests_mock() -> Iterator[Callable[[], int]]:
    with requests_mock.Mocker() as fake:
        fake.post(URL)
        yield lambda: fake.call_count


@contextlib.contextmanager
def by_respx() -> Iterator[Callable[[], int]]:
    with respx.mock(assert_all_called=False) as fake:
        route = fake.post(URL)
        yield lambda: route.call_count


@contextlib.contextmanager
def by_respx_above_httpx() -> Iterator[Callable[[], int]]:
    with respx.mock(using="httpx", assert_all_called=False) as fake:
        route = fake.post(URL)
        yield lambda: route.call_count


FAKED = [
    pytest.param(with_requests, by_responses, id="responses"),
    pytest.param(with_requests, by_requests_mock, id="requests-mock"),
    pytest.param(with_httpx, by_respx, id="respx"),
    pytest.param(with_httpx, by_respx_above_httpx, id="respx above httpx"),
    pytest.param(with_httpx_async, by_respx, id="respx, async"),
]


def watched(watch: Watch, job: Callable[[], None], token: str) -> RunResult:
    transports = Current()
    loops = EventLoopProbe(watch.bindings, functools.partial(virtual_loop, watch.clock, lambda: transports.current()))
    clients = (HTTPProbe(), RequestsProbe(), RequestsMockProbe(), HTTPXProbe())
    return watch(job, token, *clients, SocketProbe(), transports, loops)


def raised(run: RunResult) -> list[tuple[float, str]]:
    return [
        (event.at / SECOND, without_numbers(event.detail))
        for event in run.trace.events
        if event.happening is Happening.RAISED
    ]


def really(send: Send, port: int) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the question
        send(f"http://127.0.0.1:{port}/charges", SHORT)
    return without_numbers(f"{type(caught.value).__name__}: {caught.value}")


def without_numbers(text: str) -> str:
    return re.sub(r"port=\d+|0x[0-9a-f]+", "", text).strip(": ")


Fake = Callable[[], contextlib.AbstractContextManager[Callable[[], int]]]


@pytest.mark.parametrize(("send", "fake"), FAKED)
@pytest.mark.parametrize(("token", "is_connected"), [("A0!hang", False), ("A0!hang2", True)])
def test_a_fakes_silence_raises_what_a_real_one_raises(
    watch: Watch, silent: int, full: int, send: Send, fake: Fake, token: str, is_connected: bool
) -> None:
    with fake() as calls:
        run = watched(watch, lambda: send(URL, SHORT), token)
        assert calls() == 1  # the second attempt's
    assert raised(run) == [(SHORT, really(send, silent if is_connected else full))]
    assert run.completed
    assert len(watch.recorder.records) == 1


@pytest.mark.parametrize(("send", "fake"), FAKED)
def test_what_a_fake_answers_too_late_is_applied(watch: Watch, silent: int, send: Send, fake: Fake) -> None:
    with fake() as calls:
        run = watched(watch, lambda: send(URL, SHORT), "A0!late2")
        assert calls() == 2
    assert raised(run) == [(SHORT, really(send, silent))]
    assert len(watch.recorder.records) == 2


@pytest.mark.parametrize(("send", "fake"), FAKED)
def test_a_slow_fake_answers_at_the_last_moment(watch: Watch, send: Send, fake: Fake) -> None:
    with fake():
        run = watched(watch, lambda: send(URL, 7), "A0!slow")
    assert run.completed
    assert not raised(run)
    assert watch.clock.now() == 2 * 7 * SECOND  # connecting, and the answer


@pytest.mark.parametrize(("send", "fake"), FAKED)
def test_without_a_timeout_it_is_told_what_to_set_and_where(watch: Watch, send: Send, fake: Fake) -> None:
    with fake():
        hung = watched(watch, lambda: send(URL, None), "A0!hang2").copies["A"].hung
    assert hung is not None
    assert hung.timeout is None
    expected = "requests.post(..., timeout=...)" if send is with_requests else "timeout= in the request, or httpx"
    assert hung.advice.startswith(expected)
    assert hung.site is not None
    assert hung.site.file == __file__


@pytest.mark.parametrize("send", [with_requests, with_httpx, with_httpx_async])
def test_a_server_of_the_tests_own_is_none_of_these(
    watch: Watch, httpserver: HTTPServer, silent: int, send: Send
) -> None:
    httpserver.expect_request("/charges").respond_with_data("")
    run = watched(watch, lambda: send(httpserver.url_for("/charges"), 5), "A0!hang2")
    assert [at for at, _ in raised(run)] == [5]
    assert len(httpserver.log) == 1
    assert [text.partition(":")[0] for _, text in raised(run)] == [really(send, silent).partition(":")[0]]


def test_a_transport_that_is_no_socket_hangs_too(watch: Watch) -> None:
    def job() -> None:
        with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)), timeout=3) as client:
            client.post(URL, content=b"{}")

    assert raised(watched(watch, job, "A0!hang2")) == [(3, "ReadTimeout: timed out")]


class Impatient(requests.adapters.HTTPAdapter):
    """What many projects have: a timeout for all that say nothing."""

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        return super().send(request, **{**kwargs, "timeout": 4})  # type: ignore[arg-type]


def test_an_adapter_of_the_jobs_own_may_set_the_timeout(watch: Watch, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/charges").respond_with_data("")

    def job() -> None:
        with requests.Session() as session:
            session.mount("http://", Impatient())
            session.post(httpserver.url_for("/charges"), data="{}")

    assert [at for at, _ in raised(watched(watch, job, "A0!hang2"))] == [4]
