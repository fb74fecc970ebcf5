"""The shop of the examples: sign-up mail and orders in each of their stages, whichever database keeps its data."""

from __future__ import annotations

import contextlib
import smtplib
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol

from tests.backends.site import Run, Site


class Session(Protocol):
    """What a job does in the database: each call is committed at once."""

    def email(self) -> str:
        """The address of user 1."""

    def held(self) -> contextlib.AbstractContextManager[tuple[str, bool]]:
        """Lock user 1: the address, and whether the mail is marked as sent."""

    def mark(self) -> None:
        """The mail to user 1 is sent."""

    def queue(self, message_id: str) -> None:
        """Write a mail to user 1 into the outbox, unless it is there."""

    def queued(self, message_id: str) -> tuple[str, bool]:
        """The address of a mail in the outbox, and whether it is marked as sent."""

    def mark_queued(self, message_id: str) -> None:
        """A mail in the outbox is sent."""

    def charge(self) -> str | None:
        """What order 7 was paid with."""

    def record(self, charge: str) -> None:
        """Order 7 is paid."""


class SQLSession:
    """A session on PostgreSQL or MariaDB.

    Args:
        run: Runs a statement.
        dialect: `postgres` or `mysql`.
    """

    def __init__(self, run: Run, dialect: str) -> None:
        self._run = run
        self._insert, self._unless_there = _INSERTS[dialect]

    def email(self) -> str:
        ((email,),) = self._run("SELECT email FROM users WHERE id = 1")
        return str(email)

    @contextlib.contextmanager
    def held(self) -> Iterator[tuple[str, bool]]:
        self._run("BEGIN")
        ((email, sent),) = self._run("SELECT email, sent FROM users WHERE id = 1 FOR UPDATE")
        yield email, bool(sent)
        self._run("COMMIT")

    def mark(self) -> None:
        self._run("UPDATE users SET sent = 1 WHERE id = 1")

    def queue(self, message_id: str) -> None:
        rows = "INTO outbox (message_id, email, sent) SELECT %s, email, 0 FROM users WHERE id = 1"
        self._run(f"{self._insert} {rows} {self._unless_there}", message_id)

    def queued(self, message_id: str) -> tuple[str, bool]:
        ((email, sent),) = self._run("SELECT email, sent FROM outbox WHERE message_id = %s", message_id)
        return str(email), bool(sent)

    def mark_queued(self, message_id: str) -> None:
        self._run("UPDATE outbox SET sent = 1 WHERE message_id = %s", message_id)

    def charge(self) -> str | None:
        ((charge,),) = self._run("SELECT charge FROM orders WHERE id = 7")
        return None if charge is None else str(charge)

    def record(self, charge: str) -> None:
        self._run("UPDATE orders SET charge = %s WHERE id = 7", charge)


_INSERTS = {"postgres": ("INSERT", "ON CONFLICT DO NOTHING"), "mysql": ("INSERT IGNORE", "")}


class RedisSession:
    """A session on Redis.

    Args:
        client: A client that decodes answers.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def email(self) -> str:
        return str(self._client.hget("user:1", "email"))

    @contextlib.contextmanager
    def held(self) -> Iterator[tuple[str, bool]]:
        with self._client.lock("lock:user:1", timeout=30):
            email, sent = self._client.hmget("user:1", "email", "sent")
            yield email, bool(sent)

    def mark(self) -> None:
        self._client.hset("user:1", "sent", "1")

    def queue(self, message_id: str) -> None:
        self._client.hsetnx("outbox", message_id, self.email())

    def queued(self, message_id: str) -> tuple[str, bool]:
        return self._client.hget("outbox", message_id), bool(self._client.sismember("outbox:sent", message_id))

    def mark_queued(self, message_id: str) -> None:
        self._client.sadd("outbox:sent", message_id)

    def charge(self) -> str | None:
        charge = self._client.hget("order:7", "charge")
        return None if charge is None else str(charge)

    def record(self, charge: str) -> None:
        self._client.hset("order:7", "charge", charge)


@dataclass
class Shop:
    """Where the jobs find what they need.

    Attributes:
        data: Opens a session.
        mail_port: The SMTP server's.
        payment_port: The HTTP server's that takes charges.
    """

    data: Callable[[], contextlib.AbstractContextManager[Session]]
    mail_port: int
    payment_port: int

    def mail(self, to: str, message_id: str | None = None) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "hello@shop.example", to, "Welcome"
        if message_id is not None:
            message["Message-ID"] = message_id
        message.set_content("Good to have you here.")
        with smtplib.SMTP("127.0.0.1", self.mail_port, timeout=10) as server:
            server.send_message(message)

    def charge(self, key: str | None) -> str:
        headers = {"Idempotency-Key": key} if key else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.payment_port}/charges", b"{}", headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())


# --- the jobs --------------------------------------------------------------------------------------------------------


def mails_without_a_guard(shop: Shop) -> None:
    with shop.data() as data:
        shop.mail(data.email())


def mails_under_a_lock(shop: Shop) -> None:
    with shop.data() as data, data.held() as (email, sent):
        if not sent:
            shop.mail(email)
            data.mark()


def mails_from_an_outbox(shop: Shop) -> None:
    key = "<signup-1@shop.example>"
    with shop.data() as data:
        data.queue(key)
        email, sent = data.queued(key)
        if not sent:
            shop.mail(email, key)
            data.mark_queued(key)


def charges_then_records(shop: Shop) -> None:
    _pay(shop, None)


def charges_by_a_key(shop: Shop) -> None:
    _pay(shop, "order-7")


def _pay(shop: Shop, key: str | None) -> None:
    with shop.data() as data:
        if data.charge() is None:
            data.record(shop.charge(key))


# --- their data ------------------------------------------------------------------------------------------------------

SCHEMA = (
    "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(40) NOT NULL, sent INT NOT NULL)",
    "CREATE TABLE outbox (message_id VARCHAR(40) PRIMARY KEY, email VARCHAR(40) NOT NULL, sent INT NOT NULL)",
    "CREATE TABLE orders (id INT PRIMARY KEY, cents INT NOT NULL, charge VARCHAR(40))",
    "INSERT INTO users VALUES (1, 'ann@example.com', 0)",
    "INSERT INTO orders VALUES (7, 4200, NULL)",
)


def set_up_redis(client: Any) -> None:
    """The same in Redis."""
    client.flushdb()
    client.hset("user:1", "email", "ann@example.com")
    client.hset("order:7", "cents", "4200")


def on_sql(site: Site) -> Callable[[], contextlib.AbstractContextManager[Session]]:
    """Sessions on an SQL server.

    Args:
        site: Its connections commit each statement, unless one says BEGIN.
    """

    @contextlib.contextmanager
    def session() -> Iterator[Session]:
        with contextlib.closing(site.open()) as connection, connection.cursor() as cursor:

            def run(sql: str, *values: Any) -> Any:
                cursor.execute(sql, values or None)
                return cursor.fetchall() if cursor.description else ()

            yield SQLSession(run, site.dialect)

    return session
