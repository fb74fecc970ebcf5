"""The examples on PostgreSQL: sign-up mail and orders, in each of their stages, with what they promise."""

from __future__ import annotations

import http.server
import smtplib
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.backends.conftest import Create

SCHEMA = """
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, sent boolean NOT NULL DEFAULT false);
CREATE TABLE outbox (message_id text PRIMARY KEY, email text NOT NULL, sent boolean NOT NULL DEFAULT false);
CREATE TABLE orders (id int PRIMARY KEY, cents int NOT NULL, charge text);
INSERT INTO users VALUES (1, 'ann@example.com');
INSERT INTO orders VALUES (7, 4200);
"""


@dataclass
class Application:
    """Where the jobs find what they need."""

    dsn: str
    mail_port: int
    payment_port: int

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.dsn, autocommit=True)

    def mail(self, to: object, message_id: str | None = None) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "hello@shop.example", str(to), "Welcome"
        if message_id is not None:
            message["Message-ID"] = message_id
        message.set_content("Good to have you here.")
        with smtplib.SMTP("127.0.0.1", self.mail_port, timeout=10) as server:
            server.send_message(message)

    def charge(self, key: str | None = None) -> str:
        headers = {"Idempotency-Key": key} if key else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.payment_port}/charges", b"{}", headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())


class Payments(http.server.BaseHTTPRequestHandler):
    """Answers every charge alike: what counts is how often it is asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"ch_1")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def services(new_postgres: Create) -> Iterator[Application]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    mail = Controller(Sink(), hostname="127.0.0.1", port=port, server_hostname="localhost")
    mail.start()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Payments) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Application(new_postgres("examples"), port, server.server_port)
        server.shutdown()
        thread.join()
    mail.stop()


@pytest.fixture
def app(services: Application) -> Application:
    with services.connect() as db:
        db.execute(SCHEMA)
    return services


def mails_without_a_guard(app: Application) -> None:
    with app.connect() as db:
        (email,) = db.execute("SELECT email FROM users WHERE id = 1").fetchone() or ("",)
    app.mail(email)


def mails_under_a_lock(app: Application) -> None:
    with app.connect() as db, db.transaction():
        row = db.execute("SELECT email, sent FROM users WHERE id = 1 FOR UPDATE").fetchone()
        assert row is not None
        if not row[1]:
            app.mail(row[0])
            db.execute("UPDATE users SET sent = true WHERE id = 1")


def mails_from_an_outbox(app: Application) -> None:
    key = "<signup-1@shop.example>"
    with app.connect() as db:
        db.execute(
            "INSERT INTO outbox (message_id, email) SELECT %s, email FROM users WHERE id = 1 ON CONFLICT DO NOTHING",
            (key,),
        )
        row = db.execute("SELECT email, sent FROM outbox WHERE message_id = %s", (key,)).fetchone()
        assert row is not None
        if not row[1]:
            app.mail(row[0], key)
            db.execute("UPDATE outbox SET sent = true WHERE message_id = %s", (key,))


def charges_then_records(app: Application) -> None:
    _pay(app, None)


def charges_by_a_key(app: Application) -> None:
    _pay(app, "order-7")


def _pay(app: Application, key: str | None) -> None:
    with app.connect() as db:
        (charge,) = db.execute("SELECT charge FROM orders WHERE id = 7").fetchone() or (None,)
        if charge is None:
            db.execute("UPDATE orders SET charge = %s WHERE id = 7", (app.charge(key),))


EXPECTED: list[tuple[Callable[[Application], None], dict[str, str]]] = [
    (mails_without_a_guard, {"JC101": "A A", "JC201": "A B", "JC301": "A2!kill A", "JC501": "A1!lost"}),
    (mails_under_a_lock, {"JC301": "A3!kill A", "JC501": "A2!lost"}),
    (mails_from_an_outbox, {}),
    (charges_then_records, {"JC201": "A1 B A", "JC301": "A2!kill A", "JC501": "A1!lost"}),
    (charges_by_a_key, {}),
]


@pytest.mark.parametrize(("job", "expected"), EXPECTED, ids=lambda value: getattr(value, "__name__", ""))
def test_an_example_gets_the_verdict_it_promises(
    app: Application, job: Callable[[Application], None], expected: dict[str, str]
) -> None:
    def run() -> None:
        job(app)

    faults = ["duplicate", "concurrent", "crash", "retry"]
    verdict = check(run, faults=faults, settings=Settings(profile="quick"))
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert found == expected
