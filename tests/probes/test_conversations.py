"""What is sent in a protocol that nobody knows is a step, and its server needs a store."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import logging
import logging.handlers
import socket
import socketserver
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobchaos import FunctionStore
from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.trace import Happening
from jobchaos.core.verdict import Verdict
from jobchaos.errors import ForeignHostError
from jobchaos.probes.conversations import ConversationProbe
from tests.probes.conftest import Watch, seen
from tests.probes.servers import mail_server, web_server
from tests.probes.test_http import call
from tests.probes.test_smtp import message

QUICK = Settings(profile="quick")
KEPT = [FunctionStore(snapshot=lambda: None, reset=lambda: None, covers=["socket:127.0.0.1"])]
"""What is said there is a step then."""


class Counters(socketserver.ThreadingTCPServer):
    """Adds one to a key for each line."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.counts: dict[str, int] = {}

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that dies without reading is what these tests are about."""


class _Answering(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Counters)
        for line in self.rfile:
            key = line.decode().strip()
            self.server.counts[key] = self.server.counts.get(key, 0) + 1
            self.wfile.write(b"%d\r\n" % self.server.counts[key])


@pytest.fixture
def counters() -> Iterator[Counters]:
    with Counters() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def increments(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=5) as line:
        line.sendall(b"visits\r\n")
        line.recv(100)


async def increments_in_a_coroutine(address: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"visits\r\n")
    await reader.readline()
    writer.close()
    await writer.wait_closed()


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings if finding.gates}


@pytest.fixture
def database(tmp_path: Path) -> Callable[[str], None]:
    def run(sql: str) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as db:
            db.execute(sql)

    run("CREATE TABLE visits (id INTEGER PRIMARY KEY)")
    return run


@pytest.mark.parametrize("count", [increments, lambda address: asyncio.run(increments_in_a_coroutine(address))])
def test_each_piece_is_a_step(watch: Watch, counters: Counters, count: Callable[[tuple[str, int]], None]) -> None:
    assert seen(watch(lambda: count(counters.address), "A", ConversationProbe(KEPT))) == ["SEND to 127.0.0.1"]
    assert counters.counts == {"visits": 1}


def test_an_answer_that_is_lost_is_an_error_of_the_connection(watch: Watch, counters: Counters) -> None:
    for count in (increments, lambda address: asyncio.run(increments_in_a_coroutine(address))):
        run = watch(lambda: count(counters.address), "A0!lost A", ConversationProbe(KEPT))  # noqa: B023 - called at once
        assert [
            event.detail.partition(":")[0] for event in run.trace.events if event.happening is Happening.RAISED
        ] == ["ConnectionResetError"]
    assert counters.counts == {"visits": 4}


def test_a_worker_killed_before_it_sends_nothing(watch: Watch, counters: Counters) -> None:
    watch(lambda: increments(counters.address), "A0!kill A", ConversationProbe(KEPT))
    assert counters.counts == {"visits": 1}


def test_without_a_store_nothing_can_be_said(counters: Counters, database: Callable[[str], None]) -> None:
    """The database alone is in order: without a word about the counter, the job would pass."""
    address = counters.address

    def job() -> None:  # it must not know the server itself: that would be its own memory, which dies with it
        database("INSERT OR IGNORE INTO visits VALUES (1)")
        increments(address)

    verdict = check(job, settings=QUICK)
    assert verdict.status == "inconclusive"
    (finding,) = (finding for finding in verdict.findings if finding.code == "JC905")
    host, port = counters.address
    assert f"touches socket:{host}:{port}, which no store captures" in finding.message
    assert 'covers=["socket:127.0.0.1"]' in finding.detail


def test_with_a_store_it_is_checked_like_any_other(counters: Counters, database: Callable[[str], None]) -> None:
    address = counters.address

    def job() -> None:  # it must not know the server itself: that would be its own memory, which dies with it
        database("INSERT OR IGNORE INTO visits VALUES (1)")
        increments(address)

    store = FunctionStore(
        snapshot=lambda: dict(counters.counts), reset=counters.counts.clear, covers=["socket:127.0.0.1"]
    )
    verdict = check(
        job, faults=["duplicate", "crash"], stores=[store], settings=QUICK.override({"isolation": "thread"}, "")
    )
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert found == {"JC103": "A A", "JC303": "A2!kill A"}


def test_its_sound_twin_passes(counters: Counters) -> None:
    store = FunctionStore(
        snapshot=lambda: sorted(counters.counts), reset=counters.counts.clear, covers=["socket:127.0.0.1"]
    )
    address = counters.address
    verdict = check(lambda: increments(address), stores=[store], settings=QUICK.override({"isolation": "thread"}, ""))
    assert codes(verdict) == set(), verdict.findings


# --- who may say what he likes ---------------------------------------------------------------------------------------


def test_libraries_whose_requests_are_seen_elsewhere(watch: Watch) -> None:
    import smtplib

    def job() -> None:
        call(web)
        with smtplib.SMTP("127.0.0.1", mail.port) as server:
            server.send_message(message())

    with web_server() as web, mail_server() as mail:
        assert seen(watch(job, "A", ConversationProbe(KEPT))) == []


def test_logging(watch: Watch, counters: Counters) -> None:
    log = logging.getLogger("shop.remote")
    handler = logging.handlers.SocketHandler(*counters.address)
    log.addHandler(handler)
    try:
        assert seen(watch(lambda: log.error("it is late"), "A", ConversationProbe(KEPT))) == []
    finally:
        log.removeHandler(handler)
        handler.close()


def test_datagrams_and_pairs(watch: Watch) -> None:
    def job() -> None:
        one, other = socket.socketpair()
        with one, other, socket.socket(type=socket.SOCK_DGRAM) as metrics:
            one.sendall(b"done")
            metrics.connect(("127.0.0.1", 9))
            metrics.send(b"visits:1|c")

    assert seen(watch(job, "A", ConversationProbe(KEPT))) == []


def test_a_foreign_host_is_refused_before_a_byte_is_sent(watch: Watch) -> None:
    class Abroad(socket.socket):
        def getpeername(self) -> tuple[str, int]:
            return "203.0.113.7", 11211

    here, there = socket.socketpair()
    with Abroad(fileno=here.detach()) as line, there:
        with pytest.raises(ForeignHostError, match=r"203\.0\.113\.7"):
            watch(lambda: line.sendall(b"incr visits 1"), "A", ConversationProbe(KEPT))
        there.setblocking(False)
        with pytest.raises(BlockingIOError):
            there.recv(1)


def test_everything_is_back_afterwards(watch: Watch) -> None:
    before = dict(vars(socket.socket))
    watch(lambda: None, "A", ConversationProbe(KEPT))
    assert dict(vars(socket.socket)) == before


def test_a_library_that_nobody_watches_is_seen(watch: Watch) -> None:
    """As an FTP client's commands are, on a server that says nothing but that it is ready."""

    class Ready(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            for _ in self.rfile:
                self.wfile.write(b"230 welcome\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Ready) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def job() -> None:
            with ftplib.FTP() as client:
                client.connect("127.0.0.1", server.server_address[1], timeout=5)
                client.login()

        try:
            assert seen(watch(job, "A", ConversationProbe(KEPT))) == ["SEND to 127.0.0.1"] * 2
        finally:
            server.shutdown()
            thread.join()
