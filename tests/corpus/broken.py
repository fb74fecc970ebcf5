"""Jobs that look fine and are not. Each must be found, with the right code and a minimal schedule."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import fcntl
import gzip
import json
import os
import sqlite3
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import connect as early_bound
from typing import Any, ClassVar

import aiohttp
import httpx
import requests
import sqlalchemy as sa
import urllib3
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tests.corpus import site

# --- statements ------------------------------------------------------------------------------------------------------


def adds_points() -> None:
    with site.connect() as db:
        db.execute("UPDATE users SET points = points + 10 WHERE id = 1")


def inserts_without_a_key() -> None:
    with site.transactional() as db, db:
        db.execute("INSERT INTO payments (order_id) VALUES (7)")


def checks_then_inserts() -> None:
    with site.connect() as db:
        if db.execute("SELECT count(*) FROM payments WHERE order_id = 7").fetchone()[0] == 0:
            db.execute("INSERT INTO payments (order_id) VALUES (7)")


def reads_modifies_writes() -> None:
    with site.connect() as db:
        status, points = db.execute("SELECT status, points FROM orders, users").fetchone()
        if status == "new":
            db.execute("UPDATE users SET points = ? WHERE id = 1", (points + 10,))
            db.execute("UPDATE orders SET status = 'done' WHERE id = 7")


def inserts_many_one_by_one() -> None:
    with site.connect() as db:
        if db.execute("SELECT count(*) FROM payments").fetchone()[0] == 0:
            db.executemany("INSERT INTO payments (order_id) VALUES (?)", [(7,), (8,), (9,)])


def runs_a_script() -> None:
    with site.connect() as db:
        if db.execute("SELECT status FROM orders WHERE id = 7").fetchone()[0] == "new":
            db.executescript(
                """
                -- no BEGIN, no COMMIT
                UPDATE orders SET status = 'done' WHERE id = 7;
                UPDATE users SET points = points + 10 WHERE id = 1;
                """
            )


def stays_doing_for_ever() -> None:
    with site.connect() as db:
        if db.execute("UPDATE orders SET status = 'doing' WHERE id = 7 AND status = 'new'").rowcount:
            db.execute("INSERT INTO receipts (order_id) VALUES (7)")
            db.execute("UPDATE orders SET status = 'done' WHERE id = 7")


def leaves_its_lock_behind() -> None:
    with site.connect() as db:
        db.execute("INSERT INTO locks (name) VALUES ('order 7')")
        db.execute("UPDATE orders SET status = 'done' WHERE id = 7")
        db.execute("DELETE FROM locks WHERE name = 'order 7'")


def uses_two_transactions() -> None:
    with site.transactional() as db:
        if db.execute("SELECT status FROM orders WHERE id = 7").fetchone()[0] == "new":
            with db:
                db.execute("UPDATE orders SET status = 'paid' WHERE id = 7")
            with db:
                db.execute("UPDATE users SET points = points + 10 WHERE id = 1")


def uses_a_shared_memory_database() -> None:
    database = sqlite3.connect(f"file:{site.folder.name}?mode=memory&cache=shared", uri=True, isolation_level=None)
    database.execute("UPDATE counters SET n = n + 1")
    database.close()


def was_bound_early() -> None:
    database = early_bound(site.database(), isolation_level=None)
    database.execute("UPDATE users SET points = points + 10 WHERE id = 1")
    database.close()


def uses_an_orm() -> None:
    engine = sa.create_engine(f"sqlite:///{site.database()}")
    users = sa.Table("users", sa.MetaData(), autoload_with=engine)
    with Session(engine) as session, session.begin():
        points = session.execute(sa.select(users.c.points).where(users.c.id == 1)).scalar_one()
        session.execute(sa.update(users).where(users.c.id == 1).values(points=points + 10))
    engine.dispose()


async def checks_then_inserts_through_an_async_orm() -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{site.database()}")
    async with AsyncSession(engine) as session:
        if (await session.execute(sa.text("SELECT count(*) FROM payments"))).scalar() == 0:
            await session.execute(sa.text("INSERT INTO payments (order_id) VALUES (7)"))
        await session.commit()
    await engine.dispose()


def marks_its_order_done_whatever_happens() -> None:
    with site.connect() as db:
        if db.execute("SELECT status FROM orders WHERE id = 7").fetchone()[0] == "new":
            try:
                db.execute("INSERT OR IGNORE INTO receipts (order_id) VALUES (7)")
            finally:
                db.execute("UPDATE orders SET status = 'done' WHERE id = 7")


# --- mail ------------------------------------------------------------------------------------------------------------


def mails() -> None:
    site.mail("ann@example.com")


def mails_with_a_fresh_message_id() -> None:
    site.mail("ann@example.com", f"<{uuid.uuid4()}@example.com>")


def mails_then_marks() -> None:
    with site.connect() as db:
        if not db.execute("SELECT sent FROM users WHERE id = 1").fetchone()[0]:
            site.mail("ann@example.com")
            db.execute("UPDATE users SET sent = 1 WHERE id = 1")


def marks_then_mails() -> None:
    with site.connect() as db:
        if db.execute("UPDATE users SET sent = 1 WHERE id = 1 AND sent = 0").rowcount:
            site.mail("ann@example.com")


def leaves_the_mail_to_the_other_copy() -> None:
    with site.connect() as db:
        if db.execute("SELECT sent FROM users WHERE id = 1").fetchone()[0]:
            return
        db.execute("UPDATE users SET points = points + 1 WHERE id = 1")
        if db.execute("SELECT points FROM users WHERE id = 1").fetchone()[0] == 1:
            site.mail("ann@example.com", "<welcome-1@example.com>")
            db.execute("UPDATE users SET sent = 1 WHERE id = 1")


def mails_inside_the_transaction() -> None:
    with site.connect() as db:
        db.execute("BEGIN IMMEDIATE")
        if not db.execute("SELECT sent FROM users WHERE id = 1").fetchone()[0]:
            site.mail("ann@example.com")
            db.execute("UPDATE users SET sent = 1 WHERE id = 1")
        db.execute("COMMIT")


# --- HTTP ------------------------------------------------------------------------------------------------------------


def posts() -> None:
    site.post("/charges")


def posts_with_a_fresh_key() -> None:
    site.post("/charges", key=str(uuid.uuid4()))


def posts_through_requests() -> None:
    requests.post(f"http://127.0.0.1:{site.http_port}/charges", json={"cents": 42}, timeout=10)


def posts_through_urllib() -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{site.http_port}/charges", data=b"{}", timeout=10):
        pass


def posts_through_urllib3() -> None:
    with urllib3.PoolManager() as pool:
        pool.request("POST", f"http://127.0.0.1:{site.http_port}/charges", body=b"{}").data  # noqa: B018 - reads it


def posts_through_httpx() -> None:
    httpx.post(f"http://127.0.0.1:{site.http_port}/charges", json={"cents": 42}, verify=False)


async def posts_through_httpx_from_a_coroutine() -> None:
    async with httpx.AsyncClient(verify=False) as client:
        await client.post(f"http://127.0.0.1:{site.http_port}/charges", json={"cents": 42})


async def posts_through_aiohttp() -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{site.http_port}/charges"
        async with session.post(url, data=b"{}", headers={"Idempotency-Key": str(uuid.uuid4())}) as answer:
            answer.raise_for_status()


def charges_then_records() -> None:
    with site.connect() as db:
        if db.execute("SELECT charge FROM orders WHERE id = 7").fetchone()[0] is None:
            charge = site.post("/charges")
            db.execute("UPDATE orders SET charge = ? WHERE id = 7", (charge,))


# --- files -----------------------------------------------------------------------------------------------------------


def appends_to_a_file() -> None:
    with (site.folder / "log.txt").open("a") as file:
        file.write("order 7\n")


def appends_the_time_to_a_file() -> None:
    with (site.folder / "log.txt").open("a") as file:
        file.write(f"{datetime.datetime.now()} order 7\n")


def appends_through_a_second_name() -> None:
    with contextlib.suppress(FileExistsError):
        os.link(site.folder / "inbox.txt", site.folder / "outbox.txt")
    with (site.folder / "outbox.txt").open("a") as file:
        file.write("order 7")


def publishes_then_restricts() -> None:
    if not (site.folder / "invoice.txt").exists():
        (site.folder / "invoice.tmp").write_text("invoice 7")
        os.replace(site.folder / "invoice.tmp", site.folder / "invoice.txt")
        (site.folder / "invoice.txt").chmod(0o600)


def writes_to_a_temporary_file_beside_its_target() -> None:
    with tempfile.NamedTemporaryFile("w", dir=site.folder, delete=False) as file:
        file.write("invoice 7")
    os.replace(file.name, site.folder / "invoice.txt")


def leaves_a_temporary_directory_whenever_it_runs() -> None:
    (Path(tempfile.mkdtemp()) / "draft.txt").write_text("invoice 7")
    (site.folder / "invoice.txt").write_text("invoice 7")


def creates_then_fills() -> None:
    path = site.folder / "invoice.txt"
    if not path.exists():
        path.write_text("invoice 7")


def makes_a_directory() -> None:
    (site.folder / "work").mkdir()
    (site.folder / "work" / "invoice.txt").write_text("invoice 7")


def moves_its_input_away() -> None:
    os.rename(site.folder / "inbox.txt", site.folder / "doing.txt")
    (site.folder / "outbox.txt").write_text((site.folder / "doing.txt").read_text().upper())


def removes_its_input_too_early() -> None:
    order = (site.folder / "inbox.txt").read_text()
    (site.folder / "inbox.txt").unlink()
    (site.folder / "outbox.txt").write_text(order.upper())


def removes_its_directory_too_early() -> None:
    os.rmdir(site.folder / "queue" / "7")
    (site.folder / "done.txt").write_text("order 7")


def leaves_its_lock_file_behind() -> None:
    lock = site.folder / "lock"
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            time.sleep(1)
    (site.folder / "invoice.txt").write_text("invoice 7")
    lock.unlink()


def counts_in_a_file() -> None:
    path = site.folder / "counter.txt"
    path.write_text(str(int(path.read_text()) + 1))


def names_a_file_after_the_time() -> None:
    (site.folder / f"report-{int(time.time())}.csv").write_text("7;42")


def counts_its_runs_beside_the_time_of_the_last() -> None:
    (site.folder / "last_run.txt").write_text(str(time.time()))
    with (site.folder / "runs.txt").open("a") as file:
        file.write("one more\n")


def counts_in_one_object_with_the_time() -> None:
    path = site.folder / "last_run.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else 0
    path.with_suffix(".new").write_text(json.dumps({"at": time.time(), "id": str(uuid.uuid4()), "runs": runs + 1}))
    path.with_suffix(".new").replace(path)


def counts_in_a_compressed_file() -> None:
    """Its header holds the time."""
    path = site.folder / "runs.gz"
    runs = int(gzip.decompress(path.read_bytes())) if path.exists() else 0
    path.with_suffix(".new").write_bytes(gzip.compress(str(runs + 1).encode()))
    path.with_suffix(".new").replace(path)


# --- memory ----------------------------------------------------------------------------------------------------------


class Registry:
    """State of a class."""

    seen: ClassVar[list[int]] = []


def counts_in_a_class() -> None:
    Registry.seen.append(7)


SEEN: dict[int, int] = {}
LOG: list[int] = []


def counts_in_memory() -> None:
    SEEN[7] = SEEN.get(7, 0) + 1


def checks_then_sets_in_memory() -> None:
    if 7 not in SEEN:
        known = len(SEEN)
        SEEN[7 + known] = 1


class Account:
    """Lives in memory."""

    def __init__(self) -> None:
        self.paid = False
        self.cents = 0


ACCOUNT = Account()
PAID = False
CENTS = 0


def checks_then_appends_in_memory() -> None:
    if 7 not in SEEN:
        LOG.append(7)
        SEEN[7] = 1


def checks_then_sets_an_attribute() -> None:
    if not ACCOUNT.paid:
        ACCOUNT.cents += 10
        ACCOUNT.paid = True


def checks_then_sets_a_global() -> None:
    global PAID, CENTS
    if not PAID:
        CENTS += 10
        PAID = True


# --- coroutines ------------------------------------------------------------------------------------------------------


async def mails_from_a_coroutine() -> None:
    await asyncio.sleep(60)
    site.mail("ann@example.com")


FIRST, SECOND = threading.Lock(), threading.Lock()


def locks_the_check_but_not_the_act() -> None:
    with FIRST:
        is_new = 8 not in SEEN
        known = len(SEEN)
    if is_new:
        SEEN[8] = SEEN.get(8, 0) + 1 + known


def locks_in_an_order_that_depends() -> None:
    one, other = (SECOND, FIRST) if 9 in SEEN else (FIRST, SECOND)
    with one:
        SEEN[9] = SEEN.get(9, 0)
        with other:
            SEEN[9] = 1


MADE: dict[str, threading.Lock] = {}


def makes_a_lock_for_itself_alone() -> None:
    with threading.Lock(), site.connect() as db:
        (points,) = db.execute("SELECT points FROM users WHERE id = 1").fetchone()
        if points == 0:
            db.execute("UPDATE users SET points = points + 10 WHERE id = 1")


def makes_locks_and_takes_them_in_an_order_that_depends() -> None:
    first = MADE.setdefault("first", threading.Lock())
    second = MADE.setdefault("second", threading.Lock())
    one, other = (second, first) if 9 in SEEN else (first, second)
    with one:
        SEEN[9] = SEEN.get(9, 0)
        with other:
            SEEN[9] = 1


def unlocks_its_file_too_early() -> None:
    with (site.folder / "job.lock").open("a") as lock, site.connect() as db:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (points,) = db.execute("SELECT points FROM users WHERE id = 1").fetchone()
        fcntl.flock(lock, fcntl.LOCK_UN)
        if points == 0:
            db.execute("UPDATE users SET points = points + 10 WHERE id = 1")


def writes_to_an_attached_database() -> None:
    with site.connect() as db:
        db.execute("ATTACH ? AS archive", (str(site.folder / "archive.db"),))
        db.execute("CREATE TABLE IF NOT EXISTS archive.orders (id INTEGER)")
        db.execute("INSERT INTO archive.orders SELECT id FROM orders")


async def _waits_then_mails() -> None:
    await asyncio.sleep(3600)
    site.mail("ann@example.com")


def mails_from_a_loop_of_its_own() -> None:
    asyncio.run(_waits_then_mails())


@dataclass(frozen=True)
class Broken:
    """A broken job, and what must be said of it: code to the token of the minimal schedule."""

    job: Callable[[], Any]
    findings: dict[str, str]


BROKEN = [
    Broken(adds_points, {"JC103": "A A"}),
    Broken(leaves_the_mail_to_the_other_copy, {"JC202": "A2 B A"}),
    Broken(inserts_without_a_key, {"JC103": "A A"}),
    Broken(checks_then_inserts, {"JC203": "A1 B A"}),
    Broken(reads_modifies_writes, {"JC303": "A2!kill A"}),
    Broken(inserts_many_one_by_one, {"JC203": "A1 B A", "JC303": "A2!kill A"}),
    Broken(runs_a_script, {"JC203": "A1 B A", "JC303": "A2!kill A"}),
    Broken(stays_doing_for_ever, {"JC303": "A1!kill A"}),
    Broken(leaves_its_lock_behind, {"JC304": "A1!kill A"}),
    Broken(uses_two_transactions, {"JC203": "A1 B A", "JC303": "A3!kill A"}),
    Broken(marks_its_order_done_whatever_happens, {"JC303": "A1!terminate A"}),
    Broken(uses_a_shared_memory_database, {"JC103": "A A"}),
    Broken(was_bound_early, {"JC103": "A A"}),
    Broken(uses_an_orm, {"JC103": "A A"}),
    Broken(checks_then_inserts_through_an_async_orm, {"JC203": "A1 B A"}),
    Broken(mails, {"JC101": "A A"}),
    Broken(mails_with_a_fresh_message_id, {"JC101": "A A"}),
    Broken(mails_then_marks, {"JC201": "A1 B A", "JC301": "A2!kill A"}),
    Broken(marks_then_mails, {"JC302": "A1!kill A"}),
    Broken(mails_inside_the_transaction, {"JC301": "A3!kill A"}),
    Broken(posts, {"JC101": "A A"}),
    Broken(posts_with_a_fresh_key, {"JC101": "A A"}),
    Broken(posts_through_requests, {"JC101": "A A"}),
    Broken(posts_through_urllib, {"JC101": "A A"}),
    Broken(posts_through_urllib3, {"JC101": "A A"}),
    Broken(posts_through_httpx, {"JC101": "A A"}),
    Broken(posts_through_httpx_from_a_coroutine, {"JC101": "A A"}),
    Broken(posts_through_aiohttp, {"JC101": "A A"}),
    Broken(charges_then_records, {"JC201": "A1 B A", "JC301": "A2!kill A"}),
    Broken(appends_to_a_file, {"JC103": "A A"}),
    Broken(appends_through_a_second_name, {"JC103": "A A"}),
    Broken(publishes_then_restricts, {"JC303": "A3!kill A"}),
    Broken(writes_to_a_temporary_file_beside_its_target, {"JC303": "A1!kill A"}),
    Broken(leaves_a_temporary_directory_whenever_it_runs, {"JC103": "A A"}),
    Broken(appends_the_time_to_a_file, {"JC103": "A A"}),
    Broken(creates_then_fills, {"JC303": "A1!kill A"}),
    Broken(makes_a_directory, {"JC304": "A1!kill A"}),
    Broken(moves_its_input_away, {"JC304": "A1!kill A"}),
    Broken(removes_its_input_too_early, {"JC304": "A1!kill A"}),
    Broken(removes_its_directory_too_early, {"JC304": "A1!kill A"}),
    Broken(leaves_its_lock_file_behind, {"JC304": "A1!kill A"}),
    Broken(counts_in_a_file, {"JC103": "A A"}),
    Broken(names_a_file_after_the_time, {"JC103": "A A"}),
    Broken(counts_its_runs_beside_the_time_of_the_last, {"JC103": "A A"}),
    Broken(counts_in_one_object_with_the_time, {"JC103": "A A"}),
    Broken(counts_in_a_compressed_file, {"JC103": "A A"}),
    Broken(counts_in_memory, {"JC103": "A A"}),
    Broken(counts_in_a_class, {"JC103": "A A"}),
    Broken(checks_then_sets_in_memory, {"JC203": "A1 B A"}),
    Broken(checks_then_appends_in_memory, {"JC203": "A1 B A"}),
    Broken(checks_then_sets_an_attribute, {"JC203": "A1 B A"}),
    Broken(checks_then_sets_a_global, {"JC203": "A1 B A"}),
    Broken(mails_from_a_coroutine, {"JC101": "A A"}),
    Broken(locks_the_check_but_not_the_act, {"JC203": "A4 B A"}),
    Broken(writes_to_an_attached_database, {"JC103": "A A", "JC303": "A3!kill A"}),
    Broken(mails_from_a_loop_of_its_own, {"JC101": "A A", "JC201": "A B", "JC301": "A1!kill A"}),
    Broken(unlocks_its_file_too_early, {"JC203": "A2 B A"}),
    Broken(locks_in_an_order_that_depends, {"JC204": "A3 B A"}),
    Broken(makes_a_lock_for_itself_alone, {"JC203": "A1 B A"}),
    Broken(makes_locks_and_takes_them_in_an_order_that_depends, {"JC204": "A5 B A"}),
]
