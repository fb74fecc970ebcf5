"""A fresh database and a real payment service on localhost for every test."""

import contextlib
import http.server
import json
import sqlite3
import threading

import pytest
import shop

from jobchaos import MemoryStore


class Payments(http.server.BaseHTTPRequestHandler):
    """Charges once for each idempotency key, and for each request without one."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        charges = self.server.charges
        key = self.headers.get("Idempotency-Key") or f"anonymous {len(charges)}"
        charge = charges.setdefault(key, {"id": f"ch_{len(charges) + 1}", **json.loads(body)})
        answer = json.dumps(charge).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        """Keep quiet."""


@pytest.fixture(autouse=True)
def service(tmp_path, monkeypatch):
    database = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript(shop.SCHEMA)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Payments) as server:
        server.charges = {}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("SHOP_DATABASE", str(database))
        monkeypatch.setenv("SHOP_PAYMENT_PORT", str(server.server_port))
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def jobchaos_stores(service):
    """The service remembers charges: every schedule must find it as the first one did."""
    return [MemoryStore(service.charges, name="payment service")]
