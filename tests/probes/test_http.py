"""Requests are seen with method, address, body and answer, whichever library sends them."""

from __future__ import annotations

import http.client
import io
import urllib.request
from collections.abc import Iterator

import pytest
import requests

from jobchaos.core.effect import Mode, Touch
from jobchaos.errors import ForeignHostError
from jobchaos.probes.exchange import Request
from jobchaos.probes.http import HTTPProbe
from tests.probes.conftest import Watch, effects, seen
from tests.probes.servers import WebServer, web_server


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def url(server: WebServer, path: str = "/charges") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def call(
    server: WebServer, method: str = "POST", path: str = "/charges", body: object = "{}", key: str | None = None
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, body, {"idempotency-KEY": key} if key else {})  # type: ignore[arg-type]
        connection.getresponse().read()
    finally:
        connection.close()


def test_a_post_is_one_effect_and_one_record(watch: Watch, server: WebServer) -> None:
    run = watch(lambda: call(server), "A", HTTPProbe())
    assert seen(run) == [f"POST {url(server)} 200"]
    (record,) = watch.recorder.records
    assert record.columns == ("method", "url", "body")
    assert record.values == ("POST", url(server), "{}")
    assert record.identity is None
    assert effects(run)[0].durable
    assert effects(run)[0].touches == (Touch(f"http:127.0.0.1:{server.server_port}", Mode.WRITE),)


@pytest.mark.parametrize(
    "name", ["X-Idempotency-Key", "Idempotence-Key", "PayPal-Request-Id", "X-Amz-Idempotency-Token"]
)
def test_services_have_names_of_their_own_for_it(name: str) -> None:
    request = Request.of("POST", "http://pay.test/charges", [(name, "order-7")])
    assert request.foreign().identity == ("POST", "http://pay.test/charges", "order-7")
    assert Request.of("POST", "http://pay.test/charges", [("X-Request-Id", "order-7")]).foreign().identity is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"cents": 1, "idempotency_key": "order-7"}',
        b'{"idempotencyKey":"order-7"}',
        b"idempotency_key=order-7&cents=1",
    ],
)
def test_some_want_it_in_the_body(body: bytes) -> None:
    request = Request.of("POST", "http://pay.test/charges", body=body)
    assert request.foreign().identity == ("POST", "http://pay.test/charges", "order-7")


def test_the_idempotency_key_is_the_identity(watch: Watch, server: WebServer) -> None:
    watch(lambda: call(server, key="order-7"), "A", HTTPProbe())
    assert watch.recorder.records[0].identity == ("POST", url(server), "order-7")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_leaves_nothing_behind(watch: Watch, server: WebServer, method: str) -> None:
    run = watch(lambda: call(server, method, body=None), "A", HTTPProbe())
    assert seen(run) == [f"{method} {url(server)} 200"]
    assert not effects(run)[0].durable
    assert watch.recorder.records == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_repeated_put_is_the_same_put(watch: Watch, server: WebServer, method: str) -> None:
    watch(lambda: call(server, method), "A A", HTTPProbe())
    first, second = watch.recorder.records
    assert first.identity is not None
    assert first.identity == second.identity


@pytest.mark.parametrize(
    "body", ["plain", b"bytes", io.BytesIO(b"a file"), iter([b"two ", b"parts"])], ids=["str", "bytes", "file", "parts"]
)
def test_bodies_of_every_kind_are_recorded_once(watch: Watch, server: WebServer, body: object) -> None:
    watch(lambda: call(server, body=body), "A", HTTPProbe())
    recorded = str(watch.recorder.records[0].values[2])
    assert server.received[0].removeprefix("POST /charges ").split()[0] in recorded


def test_requests_and_urllib_pass_there_too(watch: Watch, server: WebServer) -> None:
    def job() -> None:
        requests.post(url(server), json={"cents": 42}, headers={"Idempotency-Key": "k"}, timeout=10)
        with requests.Session() as session:  # kept alive
            session.post(url(server), data="a", timeout=10)
            session.post(url(server), data="b", timeout=10)
        urllib.request.urlopen(url(server), data=b"c", timeout=10).close()

    run = watch(job, "A", HTTPProbe())
    assert seen(run) == [f"POST {url(server)} 200"] * 4
    assert [record.values[2] for record in watch.recorder.records] == ['{"cents": 42}', "a", "b", "c"]
    assert watch.recorder.records[0].identity == ("POST", url(server), "k")


def test_a_server_that_closes_answers_all_the_same(watch: Watch, server: WebServer) -> None:
    run = watch(lambda: call(server, path="/closing"), "A", HTTPProbe())
    assert seen(run) == [f"POST {url(server, '/closing')} 200"]
    assert len(watch.recorder.records) == 1


def test_a_refused_request_is_no_foreign_effect(watch: Watch, server: WebServer) -> None:
    run = watch(lambda: call(server, path="/conflict"), "A", HTTPProbe())
    assert seen(run) == [f"POST {url(server, '/conflict')} RefusedError: 409 Conflict"]
    assert watch.recorder.records == []


def test_an_answer_that_nobody_reads_was_sent(watch: Watch, server: WebServer) -> None:
    def job() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("POST", "/charges", "{}")
        connection.close()

    assert seen(watch(job, "A", HTTPProbe())) == [f"POST {url(server)} answer not read"]
    assert len(watch.recorder.records) == 1


def test_a_server_that_is_not_there_is_a_failed_effect(watch: Watch, server: WebServer) -> None:
    def job() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", 1, timeout=10)
        connection.request("POST", "/charges", "{}")

    run = watch(job, "A", HTTPProbe())
    assert "ConnectionRefusedError" in seen(run)[0]
    assert watch.recorder.records == []


def test_a_worker_killed_before_the_request_sends_nothing(watch: Watch, server: WebServer) -> None:
    def job() -> None:
        try:
            call(server)
        finally:
            call(server, path="/cleanup")

    watch(job, "A0!kill A", HTTPProbe())
    assert server.received == ["POST /charges {}", "POST /cleanup {}"]


def test_a_foreign_host_is_refused_before_a_byte_is_sent(watch: Watch) -> None:
    with pytest.raises(ForeignHostError, match=r"api\.example\.com"):
        watch(lambda: http.client.HTTPConnection("api.example.com").request("GET", "/"), "A", HTTPProbe())


def test_everything_is_back_afterwards(watch: Watch, server: WebServer) -> None:
    before = dict(vars(http.client.HTTPConnection))
    watch(lambda: call(server), "A", HTTPProbe())
    assert dict(vars(http.client.HTTPConnection)) == before
