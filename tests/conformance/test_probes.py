"""Every probe of ours whose effects last fulfils its contract."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import smtplib
import socket
import sqlite3
import ssl
import unittest.mock
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
import aiosmtplib
import aiosqlite
import boto3
import botocore.exceptions
import httpx
import moto
import pytest
import requests
import requests_mock
import responses
import respx
import sqlalchemy as sa
import sqlalchemy.ext.asyncio

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.aiohttp import AiohttpProbe
from jobchaos.probes.aiosmtplib import AiosmtplibProbe
from jobchaos.probes.aiosqlite import AiosqliteProbe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.conversations import ConversationProbe
from jobchaos.probes.files import FileProbe
from jobchaos.probes.http import HTTPProbe
from jobchaos.probes.httpx import HTTPXProbe
from jobchaos.probes.mocks import MockProbe
from jobchaos.probes.moto import MotoProbe
from jobchaos.probes.requests import RequestsMockProbe, RequestsProbe
from jobchaos.probes.smtp import SMTPProbe
from jobchaos.probes.spawn import SpawnProbe
from jobchaos.probes.sqlalchemy import SQLAlchemyProbe
from jobchaos.probes.sqlite import SQLiteProbe
from tests.probes.servers import mail_server, web_server
from tests.probes.test_conversations import KEPT, Counters, counters, increments

__all__ = ["counters"]


class TestSQLiteProbe(ProbeContract):
    failures: tuple[type[Exception], ...] = (sqlite3.OperationalError,)
    patched: Sequence[object] = (sqlite3, sqlite3.dbapi2)

    @pytest.fixture(autouse=True)
    def prepare(self, tmp_path: Path) -> None:
        self.path = tmp_path / "app.db"
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            db.execute("CREATE TABLE t (n INTEGER)")

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [SQLiteProbe(bindings)]

    def job(self) -> None:
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("BEGIN")
            db.execute("INSERT INTO t VALUES (1)")
            db.execute("COMMIT")

    def state(self) -> int:
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            (count,) = db.execute("SELECT count(*) FROM t").fetchone()
        return int(count)


class TestSQLAlchemyProbe(TestSQLiteProbe):
    failures = (sa.exc.OperationalError,)
    patched = ()

    @pytest.fixture(autouse=True)
    def connect(self, prepare: None) -> Iterator[None]:
        self.engine = sa.create_engine(f"sqlite:///{self.path}")
        yield
        self.engine.dispose()

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [SQLiteProbe(bindings), SQLAlchemyProbe()]

    def job(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO t VALUES (1)"))


class TestAiosqliteProbe(TestSQLiteProbe):
    patched = (aiosqlite.core.Connection,)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [SQLiteProbe(bindings), AiosqliteProbe()]

    def job(self) -> None:
        async def insert() -> None:
            async with aiosqlite.connect(self.path) as db:
                await db.execute("INSERT INTO t VALUES (1)")
                await db.commit()

        asyncio.run(insert())


class TestSQLAlchemyProbeWithCoroutines(TestSQLAlchemyProbe):
    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [SQLiteProbe(bindings), AiosqliteProbe(), SQLAlchemyProbe()]

    def job(self) -> None:
        async def insert() -> None:
            engine = sa.ext.asyncio.create_async_engine(f"sqlite+aiosqlite:///{self.path}")
            async with engine.begin() as connection:
                await connection.execute(sa.text("INSERT INTO t VALUES (1)"))
            await engine.dispose()

        asyncio.run(insert())


class TestFileProbe(ProbeContract):
    patched = (os,)

    @pytest.fixture(autouse=True)
    def prepare(self, tmp_path: Path) -> None:
        self.path = tmp_path / "log.txt"
        self.path.touch()

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [FileProbe(bindings)]

    def job(self) -> None:
        with self.path.open("ab", buffering=0) as log:  # a buffer would try again when it is closed
            log.write(b"x")

    def state(self) -> int:
        return len(self.path.read_text())


class TestSMTPProbe(ProbeContract):
    failures: tuple[type[Exception], ...] = (smtplib.SMTPException,)
    patched: Sequence[object] = (smtplib.SMTP,)

    @pytest.fixture(autouse=True)
    def serve(self) -> Iterator[None]:
        with mail_server() as self.mailbox:
            yield

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [SMTPProbe()]

    def job(self) -> None:
        with smtplib.SMTP("127.0.0.1", self.mailbox.port) as server:
            server.sendmail("shop@example.com", ["ann@example.com"], "Subject: Hello\n\nHello")

    def state(self) -> int:
        return len(self.mailbox.received)


class TestAiosmtplibProbe(TestSMTPProbe):
    failures = (aiosmtplib.SMTPException,)
    patched = (aiosmtplib.SMTP,)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [AiosmtplibProbe(), SpawnProbe(bindings)]

    def job(self) -> None:
        text, port = "Subject: Hello\n\nHello", self.mailbox.port
        server = {
            "hostname": "127.0.0.1",
            "port": port,
            "sender": "shop@example.com",
            "recipients": ["ann@example.com"],
        }
        asyncio.run(aiosmtplib.send(text, **server))  # type: ignore[arg-type]


class TestHTTPProbe(ProbeContract):
    failures: tuple[type[Exception], ...] = (ConnectionError,)
    patched: Sequence[object] = (http.client.HTTPConnection,)

    @pytest.fixture(autouse=True)
    def serve(self) -> Iterator[None]:
        with web_server() as self.server:
            self.url = f"http://127.0.0.1:{self.server.server_port}/charges"
            yield

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [HTTPProbe()]

    def job(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port)
        with contextlib.closing(connection):
            connection.request("POST", "/charges", "{}")
            connection.getresponse().read()

    def state(self) -> int:
        return len(self.server.received)


class TestHTTPXProbe(TestHTTPProbe):
    failures = (httpx.ConnectError, httpx.ReadError)
    patched = (httpx.Client, httpx.AsyncClient)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [HTTPXProbe()]

    def job(self) -> None:
        httpx.post(self.url, content="{}", verify=False)


class TestHTTPXProbeWithKeptConnections(TestHTTPXProbe):
    @pytest.fixture(autouse=True)
    def connect(self, serve: None) -> Iterator[None]:
        with httpx.Client(verify=False) as self.client:
            yield

    def job(self) -> None:
        self.client.post(self.url, content="{}")


class TestHTTPXProbeWithCoroutines(TestHTTPXProbe):
    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [HTTPXProbe()]

    def job(self) -> None:
        async def post() -> None:
            async with httpx.AsyncClient(verify=False) as client:
                await client.post(self.url, content="{}")

        asyncio.run(post())


class TestHTTPXProbeOfAFake(TestHTTPXProbe):
    survives_forks = False

    @pytest.fixture(autouse=True)
    def serve(self) -> Iterator[None]:
        with respx.mock:
            self.route = respx.post("https://payments.example/charges")
            self.url = "https://payments.example/charges"
            yield

    def state(self) -> int:
        return self.route.call_count


class TestHTTPProbeWithKeptConnections(TestHTTPProbe):
    failures = (requests.ConnectionError,)

    @pytest.fixture(autouse=True)
    def connect(self, serve: None) -> Iterator[None]:
        with requests.Session() as self.session:
            yield

    def job(self) -> None:
        self.session.post(self.url, data="{}")


class TestAiohttpProbe(TestHTTPProbe):
    failures = (aiohttp.ClientError,)
    patched = (aiohttp.ClientResponse, aiohttp.BaseConnector)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [AiohttpProbe()]

    def job(self) -> None:
        async def post() -> None:
            async with aiohttp.ClientSession() as session, session.post(self.url, data="{}") as answer:
                await answer.read()

        asyncio.run(post())


class TestConversationProbe(ProbeContract):
    failures = (ConnectionResetError,)
    patched: Sequence[object] = (socket.socket, ssl.SSLSocket)

    @pytest.fixture(autouse=True)
    def serve(self, counters: Counters) -> None:
        self.counters = counters

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [ConversationProbe(KEPT)]

    def job(self) -> None:
        increments(self.counters.address)

    def state(self) -> int:
        return self.counters.counts.get("visits", 0)


class TestConversationProbeWithCoroutines(TestConversationProbe):
    def job(self) -> None:
        async def count() -> None:
            reader, writer = await asyncio.open_connection(*self.counters.address)
            with contextlib.closing(writer):
                writer.write(b"visits\r\n")
                await reader.readline()

        asyncio.run(count())


class TestRequestsProbe(ProbeContract):
    failures = (requests.ConnectionError,)
    patched = (requests.Session,)
    survives_forks = False

    @pytest.fixture(autouse=True)
    def fake(self) -> Iterator[None]:
        with responses.RequestsMock(assert_all_requests_are_fired=False) as self.service:
            self.service.post("https://payments.example/charges")
            yield

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [HTTPProbe(), RequestsProbe()]

    def job(self) -> None:
        requests.post("https://payments.example/charges", data="{}", timeout=5)

    def state(self) -> int:
        return len(self.service.calls)


class TestRequestsMockProbe(TestRequestsProbe):
    @pytest.fixture(autouse=True)
    def fake(self) -> Iterator[None]:
        with requests_mock.Mocker() as self.mocker:
            self.mocker.post("https://payments.example/charges")
            yield

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [HTTPProbe(), RequestsProbe(), RequestsMockProbe()]

    def state(self) -> int:
        return int(self.mocker.call_count)


class TestMotoProbe(ProbeContract):
    failures = (botocore.exceptions.ConnectionClosedError,)
    patched = (moto.core.botocore_stubber.BotocoreStubber,)
    survives_forks = False

    @pytest.fixture(autouse=True)
    def fake(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        with moto.mock_aws():
            once = botocore.config.Config(retries={"total_max_attempts": 1})
            self.client = boto3.client("sqs", region_name="us-east-1", config=once)
            self.url = self.client.create_queue(QueueName="charges")["QueueUrl"]
            yield

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [HTTPProbe(), MotoProbe()]

    def job(self) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody="{}")

    def state(self) -> int:
        told = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(told["Attributes"]["ApproximateNumberOfMessages"])


class TestMockProbe(ProbeContract):
    failures = (ConnectionError,)
    patched = (unittest.mock.CallableMixin,)
    survives_forks = False

    @pytest.fixture(autouse=True)
    def fake(self) -> None:
        self.gateway = unittest.mock.Mock(name="gateway")

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [MockProbe()]

    def job(self) -> None:
        self.gateway.charge(42)

    def state(self) -> int:
        return int(self.gateway.charge.call_count)

    def test_a_resource_is_announced_before_it_changes(self) -> None:
        assert not self._run("A").notes.first_seen, "no store could restore what a mock stands for"
