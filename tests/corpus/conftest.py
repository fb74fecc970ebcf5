"""A fresh database, folder and in-memory state for every job; real mail and HTTP servers for all."""

from __future__ import annotations

import contextlib
import http.server
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from tests.corpus import broken, site, sound
from tests.probes.servers import PatientServer


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers everything alike, and remembers nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201)

    do_PUT = do_POST  # noqa: N815

    def do_GET(self) -> None:
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"ch_1")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def servers() -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        site.mail_port = probe.getsockname()[1]
    mail = Controller(Sink(), hostname="127.0.0.1", port=site.mail_port, server_hostname="localhost")
    mail.start()
    with PatientServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        site.http_port = server.server_port
        yield
        server.shutdown()
        thread.join()
    mail.stop()


@pytest.fixture
def fresh_site(servers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    site.folder = tmp_path
    with contextlib.closing(sqlite3.connect(site.database())) as db:
        db.executescript(site.SCHEMA)
    (tmp_path / "system").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    (tmp_path / "inbox.txt").write_text("order 7")
    (tmp_path / "counter.txt").write_text("1")
    (tmp_path / "queue" / "7").mkdir(parents=True)
    broken.SEEN.clear()
    broken.Registry.seen.clear()
    broken.LOG.clear()
    broken.ACCOUNT.paid, broken.ACCOUNT.cents = False, 0
    broken.PAID, broken.CENTS = False, 0
    sound.DONE.clear()
    sound.REGISTRY.known.clear()
    sound.REGISTRIES.clear()
    memory = sqlite3.connect(f"file:{tmp_path.name}?mode=memory&cache=shared", uri=True, isolation_level=None)
    memory.execute("CREATE TABLE counters (n INTEGER)")
    memory.execute("INSERT INTO counters VALUES (0)")
    with contextlib.closing(memory):
        yield
