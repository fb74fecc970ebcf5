"""Jobs with leases on SQL servers, each broken one with its sound twin, and where the time comes from."""

from __future__ import annotations

import datetime
import time
import uuid
from typing import Any

from tests.backends.site import here

SCHEMA = (
    "CREATE TABLE leases (name VARCHAR(9) PRIMARY KEY, owner VARCHAR(40), until DOUBLE PRECISION, expires TIMESTAMP)",
    "CREATE TABLE payments (order_id INT NOT NULL, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    "INSERT INTO leases VALUES ('order 7', '', 0, '2001-01-01 00:00:00')",
    "CREATE VIEW ended AS SELECT name FROM leases WHERE expires < CURRENT_TIMESTAMP",
    "CREATE VIEW ended_too AS SELECT name FROM ended",
)
TTL = 60


class BusyError(Exception):
    """Somebody else holds the lease: the queue is to deliver the job again, later."""


def utc() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def take(column: str, now: Any, until: Any) -> str:
    owner = uuid.uuid4().hex
    with here().transaction() as run:
        run(
            f"UPDATE leases SET owner = %s, {column} = %s WHERE name = 'order 7' AND {column} < %s",
            owner,
            until,
            now,
        )
        ((holder,),) = run("SELECT owner FROM leases WHERE name = 'order 7'")
    if holder != owner:
        raise BusyError
    return owner


def give_back(column: str, owner: str, never: Any) -> None:
    with here().transaction() as run:
        run(f"UPDATE leases SET {column} = %s WHERE name = 'order 7' AND owner = %s", never, owner)


def pay_unfenced() -> None:
    with here().transaction() as run:
        paid = run("SELECT 1 FROM payments WHERE order_id = 7")
    if not paid:
        with here().transaction() as run:
            run("INSERT INTO payments (order_id) VALUES (7)")


def pay_fenced(owner: str) -> None:
    """The row of the lease is locked: nobody takes it between the question and the write."""
    with here().transaction() as run:
        ours = run("SELECT 1 FROM leases WHERE name = 'order 7' AND owner = %s FOR UPDATE", owner)
        if ours and not run("SELECT 1 FROM payments WHERE order_id = 7"):
            run("INSERT INTO payments (order_id) VALUES (7)")


# --- times as values -------------------------------------------------------------------------------------------------


def trusts_seconds() -> None:
    owner = take("until", time.time(), time.time() + TTL)
    pay_unfenced()
    give_back("until", owner, 0.0)


def fences_seconds() -> None:
    owner = take("until", time.time(), time.time() + TTL)
    pay_fenced(owner)
    give_back("until", owner, 0.0)


def trusts_timestamps() -> None:
    owner = take("expires", utc(), utc() + datetime.timedelta(seconds=TTL))
    pay_unfenced()
    give_back("expires", owner, datetime.datetime(2001, 1, 1))


def fences_timestamps() -> None:
    owner = take("expires", utc(), utc() + datetime.timedelta(seconds=TTL))
    pay_fenced(owner)
    give_back("expires", owner, datetime.datetime(2001, 1, 1))


# --- the server's clock ----------------------------------------------------------------------------------------------


def asks_the_server_whether_it_is_over() -> None:
    with here().transaction() as run:
        if run("SELECT 1 FROM leases WHERE name = 'order 7' AND expires < now() FOR UPDATE"):
            run("UPDATE leases SET expires = CURRENT_TIMESTAMP WHERE name = 'order 7'")


def asks_a_view_whether_it_is_over() -> None:
    with here().transaction() as run:
        if run("SELECT name FROM ended_too"):
            run("UPDATE leases SET owner = 'me' WHERE name = 'order 7'")


def lets_the_server_write_times_down() -> None:
    with here().transaction() as run:
        if not run("SELECT 1 FROM payments WHERE order_id = 7 FOR UPDATE"):
            run("INSERT INTO payments (order_id) VALUES (7)")
        run("UPDATE leases SET expires = now(), owner = 'now()' WHERE name = 'order 7' -- AND expires < now()")
