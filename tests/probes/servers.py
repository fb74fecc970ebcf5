"""Real servers on this machine, which remember what reached them.

One for each test: what a test sends without waiting for the answer must not arrive in the next one.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

from aiosmtpd.controller import Controller


class Mailbox:
    """An aiosmtpd handler that keeps messages, and refuses some."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[bytes] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if b"refuse me" in envelope.content:
            return "554 Transaction failed"
        self.received.append(envelope.content)
        return "250 OK"


@contextlib.contextmanager
def mail_server() -> Iterator[Mailbox]:
    """An SMTP server in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mailbox = Mailbox()
    mailbox.port = port
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, server_hostname="localhost")
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


class PatientServer(http.server.ThreadingHTTPServer):
    """Keeps connections waiting for which it has no time: Linux drops what is too many, and tries again in a second."""

    request_queue_size = 128


class WebServer(PatientServer):
    """Keeps `METHOD path body` of every request."""

    received: list[str]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away without reading is what some tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        assert isinstance(self.server, WebServer)
        body = self._chunks() if "Transfer-Encoding" in self.headers else self._plain()
        self.server.received.append(f"{self.command} {self.path} {body}".strip())
        self.send_response(409 if self.path == "/conflict" else 200)
        self.send_header("Content-Length", "2")
        if self.path == "/closing":
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_DELETE = _answer

    def _plain(self) -> str:
        return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()

    def _chunks(self) -> str:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size).decode())
            self.rfile.readline()
        self.rfile.readline()
        return "".join(parts)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextlib.contextmanager
def web_server() -> Iterator[WebServer]:
    """An HTTP server in a thread."""
    with WebServer(("127.0.0.1", 0), _Handler) as server:
        server.received = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
