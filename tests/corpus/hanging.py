"""Jobs whose calls hang. They may take 30 virtual seconds: some do not keep to that, or do something twice; some do."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import smtplib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import aiosmtplib
import httpx
import requests

from tests.corpus import site

WITHIN = 30.0
SHORT = 5.0

Timeout = float | tuple[float, float | None] | None


def charge(timeout: Timeout, key: str | None = "order 7", path: str = "/charges") -> None:
    headers = {"Idempotency-Key": key} if key else {}
    requests.post(f"http://127.0.0.1:{site.http_port}{path}", data="{}", headers=headers, timeout=timeout)


def mark_done() -> None:
    with site.connect() as db:
        db.execute("UPDATE orders SET status = 'done' WHERE id = 7")


# --- broken ----------------------------------------------------------------------------------------------------------


def charges_without_a_timeout() -> None:
    charge(None)
    mark_done()


def mails_without_a_timeout() -> None:
    with smtplib.SMTP("127.0.0.1", site.mail_port) as server:
        server.sendmail("shop@example.com", ["ann@example.com"], "Message-ID: <7>\r\n\r\nHello")


async def awaits_without_a_timeout() -> None:
    async with httpx.AsyncClient(timeout=None) as client:
        headers = {"Idempotency-Key": "order 7"}
        await client.post(f"http://127.0.0.1:{site.http_port}/charges", content=b"{}", headers=headers)


def has_a_limit_for_connecting_only() -> None:
    charge((5, None))


def waits_longer_than_it_may() -> None:
    charge((3, 60))


async def relies_on_a_default() -> None:
    """Aiohttp's is five minutes."""
    headers = {"Idempotency-Key": "order 7"}
    url = f"http://127.0.0.1:{site.http_port}/charges"
    async with aiohttp.ClientSession() as session, session.post(url, data=b"{}", headers=headers) as answer:
        await answer.read()


async def mails_for_a_minute() -> None:
    """Aiosmtplib's own timeout."""
    await aiosmtplib.send(
        "Message-ID: <7>\r\n\r\nHello", sender="shop@example.com", recipients=["ann@example.com"],
        hostname="127.0.0.1", port=site.mail_port,
    )  # fmt: skip


def waits_for_a_database_for_a_minute() -> None:
    with contextlib.closing(sqlite3.connect(site.database(), timeout=60)) as db, db:
        db.execute("UPDATE orders SET status = 'done' WHERE id = 7")


def calls_four_services_in_a_row() -> None:
    for path in ("/stock", "/charges", "/labels", "/points"):
        charge(SHORT, path=path)


def tries_again_without_a_budget() -> None:
    for _ in range(7):
        with contextlib.suppress(requests.Timeout):
            charge((1, SHORT))
            return
    raise TimeoutError


def never_gives_up() -> None:
    while True:
        with contextlib.suppress(requests.Timeout):
            charge(SHORT)
            return
        time.sleep(1)


def sleeps_for_too_long() -> None:
    time.sleep(45)
    mark_done()


def repeats_what_was_late() -> None:
    for _ in range(3):
        with contextlib.suppress(requests.Timeout):
            charge(SHORT, key=None)
            return


async def waits_for_a_task_that_has_given_up() -> None:
    """What it calls has a timeout. Its error ends the task that answers, and nobody tells who waits for the answer."""
    answered = asyncio.Event()

    async def call() -> None:
        async with httpx.AsyncClient(timeout=SHORT) as client:
            headers = {"Idempotency-Key": "order 7"}
            await client.put(f"http://127.0.0.1:{site.http_port}/charges", content=b"{}", headers=headers)
        answered.set()

    task = asyncio.create_task(call())
    await answered.wait()
    await task
    mark_done()


def takes_a_timeout_for_success() -> None:
    with contextlib.suppress(requests.Timeout):
        charge(SHORT)
    mark_done()


@dataclass(frozen=True)
class Broken:
    """A broken job, and what must be said of it.

    Attributes:
        job: The job.
        code: The finding's code.
        token: The minimal schedule.
        said: A part of the message, with the virtual time.
    """

    job: Callable[[], Any]
    code: str
    token: str
    said: str


BROKEN = [
    Broken(
        charges_without_a_timeout,
        "JC401",
        "A0!hang",
        "for POST /charges: no timeout at hanging.py:",
    ),
    Broken(mails_without_a_timeout, "JC401", "A0!hang", "accepts no connection: no timeout at hanging.py:"),
    Broken(
        awaits_without_a_timeout,
        "JC401",
        "A0!hang",
        "for POST /charges: no timeout at hanging.py:",
    ),
    Broken(has_a_limit_for_connecting_only, "JC401", "A0!hang2", "answer POST /charges: no timeout at hanging.py:"),
    Broken(waits_longer_than_it_may, "JC402", "A0!hang2", "waits 60 s when 127.0.0.1 does not answer POST /charges"),
    Broken(relies_on_a_default, "JC402", "A0!hang2", "waits 300 s when 127.0.0.1 does not answer POST /charges"),
    Broken(mails_for_a_minute, "JC402", "A0!hang", "waits 60 s when 127.0.0.1 accepts no connection at hanging.py:"),
    Broken(waits_for_a_database_for_a_minute, "JC402", "A0!hang", "waits 60 s when app.db stays locked at UPDATE"),
    Broken(calls_four_services_in_a_row, "JC403", "A0!slow", "takes 40 s when each answer comes at the last moment"),
    Broken(tries_again_without_a_budget, "JC403", "A0!hang2", "takes 35 s when 127.0.0.1 does not answer POST"),
    Broken(never_gives_up, "JC403", "A0!hang", "never gives up when 127.0.0.1 accepts no connection for POST"),
    Broken(sleeps_for_too_long, "JC403", "A", "takes 45 s when everybody answers at once, and may take 30 s"),
    Broken(repeats_what_was_late, "JC411", "A0!late2", "twice when the answer to POST /charges comes too late"),
    Broken(waits_for_a_task_that_has_given_up, "JC414", "A0!hang", "waits for ever for event loop"),
    Broken(takes_a_timeout_for_success, "JC415", "A0!hang", "when 127.0.0.1 accepts no connection for POST /charges"),
]

# --- sound -----------------------------------------------------------------------------------------------------------


def has_a_deadline_over_several_calls() -> None:
    """What is left of it is shared by connecting and waiting, which requests limits each by itself."""
    deadline = time.monotonic() + 24
    for path in ("/stock", "/charges", "/labels", "/points"):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(path)
        charge((left / 2, left / 2), path=path)


def tries_again_within_a_budget() -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            charge((1, 4))
            return
        except requests.Timeout:
            if time.monotonic() + 6 > deadline:
                raise
            time.sleep(1)


async def has_nested_timeouts() -> None:
    async def ask(path: str) -> None:
        async with httpx.AsyncClient(timeout=None) as client:
            await client.get(f"http://127.0.0.1:{site.http_port}{path}")

    async def ask_both() -> None:
        for path in ("/stock", "/points"):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ask(path), 8)

    await asyncio.wait_for(ask_both(), 20)
    mark_done()


def mails_with_short_timeouts() -> None:
    """Connecting, and six answers: each may take its time."""
    with smtplib.SMTP("127.0.0.1", site.mail_port, timeout=3) as server:
        server.sendmail("shop@example.com", ["ann@example.com"], "Message-ID: <7>\r\n\r\nHello")


async def mails_within_a_limit() -> None:
    """Greeting, EHLO, MAIL, RCPT, DATA, the message: each may take its time, but not all."""
    await asyncio.wait_for(
        aiosmtplib.send(
            "Message-ID: <7>\r\n\r\nHello", sender="shop@example.com", recipients=["ann@example.com"],
            hostname="127.0.0.1", port=site.mail_port, timeout=10,
        ),
        25,
    )  # fmt: skip


def waits_for_a_database_as_long_as_there_is_time() -> None:
    deadline = time.monotonic() + 25
    while True:
        left = min(10, deadline - time.monotonic())
        with contextlib.closing(sqlite3.connect(site.database(), timeout=left)) as db:
            try:
                with db:
                    db.execute("UPDATE orders SET status = 'done' WHERE id = 7")
                return
            except sqlite3.OperationalError:
                if time.monotonic() >= deadline:
                    raise


def does_without_what_hangs() -> None:
    """What is optional may be left out: nothing depends on it."""
    with contextlib.suppress(requests.Timeout):
        requests.get(f"http://127.0.0.1:{site.http_port}/recommendations", timeout=2)
    mark_done()


SOUND: list[Callable[[], Any]] = [
    has_a_deadline_over_several_calls,
    tries_again_within_a_budget,
    has_nested_timeouts,
    mails_with_short_timeouts,
    mails_within_a_limit,
    waits_for_a_database_as_long_as_there_is_time,
    does_without_what_hangs,
    functools.partial(charge, (3, 10)),
]
