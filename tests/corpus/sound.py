"""Jobs that look broken and are not. None may be reported."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import email.utils
import fcntl
import json
import os
import pickle
import random
import secrets
import shutil
import sqlite3
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from tests.corpus import site


def upserts() -> None:
    with site.connect() as db:
        db.execute("INSERT INTO receipts (order_id) VALUES (7) ON CONFLICT DO NOTHING")


def upserts_many_one_by_one() -> None:
    with site.connect() as db:
        db.executemany("INSERT OR REPLACE INTO receipts (order_id) VALUES (?)", [(7,), (8,), (9,)])


def checks_and_inserts_under_a_lock() -> None:
    with site.connect() as db:
        db.execute("BEGIN IMMEDIATE")
        if db.execute("SELECT count(*) FROM payments WHERE order_id = 7").fetchone()[0] == 0:
            db.execute("INSERT INTO payments (order_id) VALUES (7)")
        db.execute("COMMIT")


def checks_and_inserts_under_an_exclusive_lock() -> None:
    """Nobody else can even read then, and so nobody can look at what a crash would leave."""
    with site.connect() as db:
        db.execute("BEGIN EXCLUSIVE")
        if db.execute("SELECT count(*) FROM payments WHERE order_id = 7").fetchone()[0] == 0:
            db.execute("INSERT INTO payments (order_id) VALUES (7)")
        db.execute("COMMIT")


def replaces_a_page_of_a_search_index() -> None:
    """Its pages grow with each of them, and its words do not."""
    with site.connect() as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM pages WHERE rowid = 7")
        db.execute("INSERT INTO pages (rowid, title) VALUES (7, 'Good evening')")
        db.execute("COMMIT")


def upgrades_a_read_transaction_and_is_retried() -> None:
    """SQLite refuses one of two such copies at once ("database is locked"); its redelivery completes."""
    with site.connect() as db:
        db.execute("BEGIN")
        if db.execute("SELECT status FROM orders WHERE id = 7").fetchone()[0] == "new":
            db.execute("UPDATE users SET points = points + 10 WHERE id = 1")
            db.execute("UPDATE orders SET status = 'done' WHERE id = 7")
        db.execute("COMMIT")


def compares_and_sets() -> None:
    with site.transactional() as db, db:
        if db.execute("UPDATE orders SET status = 'done' WHERE id = 7 AND status = 'new'").rowcount:
            db.execute("UPDATE users SET points = points + 10 WHERE id = 1")


def is_refused_by_a_unique_key() -> None:
    """The duplicate fails for ever, but the work is done: that is for advice, not for a finding."""
    with site.transactional() as db, db:
        db.execute("INSERT INTO receipts (order_id) VALUES (7)")


def commits_in_a_finally_block() -> None:
    with site.transactional() as db:
        try:
            db.execute("UPDATE orders SET status = 'done' WHERE id = 7")
            db.execute("UPDATE users SET sent = 1 WHERE id = 1")
        finally:
            db.commit()


def marks_its_order_done_only_when_it_is() -> None:
    with site.connect() as db:
        if db.execute("SELECT status FROM orders WHERE id = 7").fetchone()[0] == "new":
            has_receipt = False
            try:
                db.execute("INSERT OR IGNORE INTO receipts (order_id) VALUES (7)")
                has_receipt = True
            finally:
                if has_receipt:
                    db.execute("UPDATE orders SET status = 'done' WHERE id = 7")


def rolls_back_on_everything() -> None:
    with site.connect() as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute("UPDATE orders SET status = 'done' WHERE id = 7")
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise


def stores_random_ids() -> None:
    with site.connect() as db:
        token = f"{uuid.uuid4()}"
        db.execute("INSERT INTO receipts (order_id, token) VALUES (7, ?) ON CONFLICT DO NOTHING", (token,))


def stores_a_token_it_replaces() -> None:
    with site.connect() as db:
        db.execute("UPDATE orders SET charge = ? WHERE id = 7", (secrets.token_urlsafe(16),))


def stores_random_letters() -> None:
    with site.connect() as db:
        code = "".join(random.choices("abcdefgh", k=8))
        db.execute("INSERT OR REPLACE INTO receipts (order_id, token) VALUES (7, ?)", (code,))


def stores_the_time() -> None:
    with site.connect() as db:
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        db.execute("UPDATE orders SET status = 'done', updated_at = ? WHERE id = 7", (now,))


def uses_up_generated_keys() -> None:
    """A retry leaves a gap in the sequence, so that the payment gets another id; nothing else differs."""
    with site.connect() as db:
        db.execute("DELETE FROM lines")
        db.execute("DELETE FROM payments WHERE order_id = 7")
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM lines")
        db.execute("DELETE FROM payments WHERE order_id = 7")
        payment = db.execute("INSERT INTO payments (order_id) VALUES (7)").lastrowid
        db.execute("INSERT INTO lines (payment_id, text) VALUES (?, 'one')", (payment,))
        db.execute("COMMIT")


def mails_with_a_derived_message_id() -> None:
    site.mail("ann@example.com", "<signup-1@example.com>")


def posts_with_a_derived_key() -> None:
    site.post("/charges", key="order-7")


def posts_with_a_derived_key_through_httpx() -> None:
    url = f"http://127.0.0.1:{site.http_port}/charges"
    httpx.post(url, json={"cents": 42}, headers={"Idempotency-Key": "order-7"}, verify=False).raise_for_status()


async def puts_through_aiohttp() -> None:
    url = f"http://127.0.0.1:{site.http_port}/orders/7"
    async with aiohttp.ClientSession() as session, session.put(url, json={"paid": True}) as answer:
        answer.raise_for_status()


def only_gets() -> None:
    site.get("/rates")
    with site.connect() as db:
        db.execute("UPDATE orders SET status = 'done' WHERE id = 7")


def replaces_a_file() -> None:
    target = site.folder / "invoice.txt"
    temporary = site.folder / "invoice.tmp"
    temporary.write_text("invoice 7")
    os.replace(temporary, target)


def restricts_then_publishes() -> None:
    if not (site.folder / "invoice.txt").exists():
        (site.folder / "invoice.tmp").write_text("invoice 7")
        (site.folder / "invoice.tmp").chmod(0o600)
        os.replace(site.folder / "invoice.tmp", site.folder / "invoice.txt")


def works_in_a_temporary_directory() -> None:
    """What a crash leaves of it, under a name that nobody knows, is for the system to remove."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.txt"
        draft.write_text("invoice 7")
        shutil.copyfile(draft, site.folder / "invoice.tmp")
    os.replace(site.folder / "invoice.tmp", site.folder / "invoice.txt")


def makes_a_directory_if_needed() -> None:
    (site.folder / "work" / "7").mkdir(parents=True, exist_ok=True)
    (site.folder / "work" / "7" / "invoice.txt").write_text("invoice 7")


def removes_what_may_be_gone() -> None:
    with contextlib.suppress(FileNotFoundError):
        (site.folder / "inbox.txt").unlink()


DONE: set[int] = set()


def remembers_in_a_set() -> None:
    DONE.add(7)


CACHE: dict[str, int] = {}


def caches_in_memory() -> None:
    """The cache differs from process to process; the state does not."""
    CACHE["hits"] = CACHE.get("hits", 0) + 1
    with site.connect() as db:
        db.execute("UPDATE orders SET status = 'done' WHERE id = 7")


async def upserts_from_a_coroutine() -> None:
    await asyncio.sleep(3600)
    with site.connect() as db:
        db.execute("INSERT OR IGNORE INTO receipts (order_id) VALUES (7)")


def uses_sqlalchemy_core() -> None:
    engine = sa.create_engine(f"sqlite:///{site.database()}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE orders SET status = 'done' WHERE id = 7"))
    engine.dispose()


def reads_rows_by_name() -> None:
    with site.connect() as db:
        db.row_factory = sqlite3.Row
        for row in db.execute("SELECT id, email FROM users"):
            db.execute("UPDATE users SET sent = 1 WHERE id = ?", (row["id"],))


LOCK = threading.Lock()


def checks_under_a_lock_of_threading() -> None:
    with LOCK, site.connect() as db:
        if db.execute("SELECT points FROM users WHERE id = 1").fetchone()[0] == 0:
            db.execute("UPDATE users SET points = points + 10 WHERE id = 1")


LOCKS: dict[str, threading.Lock] = {}


def checks_under_a_lock_that_it_makes() -> None:
    with LOCKS.setdefault("points", threading.Lock()), site.connect() as db:
        if db.execute("SELECT points FROM users WHERE id = 1").fetchone()[0] == 0:
            db.execute("UPDATE users SET points = points + 10 WHERE id = 1")


class Registry:
    """Remembers each order once, in memory."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.known: dict[int, int] = {}

    def remember(self, order: int) -> None:
        with self.lock:
            if order not in self.known:
                number = len(self.known)
                self.known[order] = number + 1


REGISTRY = Registry()


def checks_under_a_lock_of_its_object() -> None:
    REGISTRY.remember(7)


REGISTRIES: dict[str, Registry] = {}


def checks_under_a_lock_of_an_object_that_it_makes() -> None:
    REGISTRIES.setdefault("orders", Registry()).remember(7)


def creates_exclusively() -> None:
    try:
        descriptor = os.open(site.folder / "claimed", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return
    os.close(descriptor)


def _adds_points_once(take: Callable[[int, int], object]) -> None:
    with (site.folder / "job.lock").open("a") as lock:
        take(lock.fileno(), fcntl.LOCK_EX)
        with site.connect() as db:
            if db.execute("SELECT points FROM users WHERE id = 1").fetchone()[0] == 0:
                db.execute("UPDATE users SET points = points + 10 WHERE id = 1")


def checks_under_a_file_lock() -> None:
    _adds_points_once(fcntl.flock)


def checks_under_a_record_lock() -> None:
    _adds_points_once(fcntl.lockf)


def appends_a_line_under_a_file_lock() -> None:
    with (site.folder / "log.txt").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if "order 7\n" not in file.readlines():
            file.write("order 7\n")


def rewrites_a_header_and_cuts_the_rest() -> None:
    with (site.folder / "inbox.txt").open("r+b") as file:
        file.write(b"HEAD")
        file.truncate(6)


def stamps_one_of_two_files() -> None:
    (site.folder / "last_run.txt").write_text(datetime.datetime.now(datetime.timezone.utc).isoformat())
    (site.folder / "invoice.txt").write_text("invoice 7")


def stores_how_long_it_took() -> None:
    began = time.monotonic()
    with site.connect() as db:
        db.execute("UPDATE orders SET status = 'working' WHERE id = 7")
        took = time.monotonic() - began
        db.execute("UPDATE orders SET status = 'done', updated_at = ? WHERE id = 7", (round(took),))
    report = {"at": time.time(), "took": took, "status": "done"}
    (site.folder / "report.new").write_text(json.dumps(report))
    (site.folder / "report.new").replace(site.folder / "report.json")


def compresses_a_report() -> None:
    path = site.folder / "report.zip"
    with zipfile.ZipFile(path.with_suffix(".new"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("orders.json", json.dumps({"at": time.time(), "orders": [7, 8]}))
        archive.writestr("state.pickle", pickle.dumps({"at": datetime.datetime.now(), "state": "done"}))
    path.with_suffix(".new").replace(path)


def tells_the_time_in_many_ways() -> None:
    """None of these words is the same at another time."""
    now = datetime.datetime.now()
    times = [now.isoformat(), email.utils.formatdate(), time.ctime(), now.strftime("%d %b %Y, %I:%M"), time.time()]
    path = site.folder / "last_run.json"
    path.with_suffix(".new").write_text(json.dumps({"id": str(uuid.uuid4()), "state": "done", "times": times}))
    path.with_suffix(".new").replace(path)


def draws_a_digit_for_each_of_many() -> None:
    """Of ten digits that are drawn again, one is most likely the same by chance."""
    with site.transactional() as db, db:
        for number in range(10):
            db.execute("INSERT OR REPLACE INTO leases (name, token) VALUES (?, ?)", (f"{number}", random.randrange(10)))


async def compares_and_sets_through_an_async_orm() -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{site.database()}")
    async with engine.begin() as connection:
        done = await connection.execute(sa.text("UPDATE orders SET status = 'paid' WHERE id = 7 AND status = 'new'"))
        if done.rowcount:
            await connection.execute(sa.text("INSERT INTO payments (order_id) VALUES (7)"))
    await engine.dispose()


def copies_into_an_attached_database() -> None:
    with site.connect() as db:
        db.execute(f"ATTACH DATABASE '{site.folder / 'archive.db'}' AS archive")
        db.execute("CREATE TABLE IF NOT EXISTS archive.orders (id INTEGER PRIMARY KEY)")
        db.execute("INSERT OR IGNORE INTO archive.orders SELECT id FROM main.orders")
        db.execute("DETACH archive")


def writes_a_copy_of_its_database() -> None:
    (site.folder / "copy.tmp").unlink(missing_ok=True)
    with site.connect() as db:
        db.execute("VACUUM INTO ?", (str(site.folder / "copy.tmp"),))
    (site.folder / "copy.tmp").replace(site.folder / "copy.db")


def upserts_from_a_loop_of_its_own() -> None:
    asyncio.run(upserts_from_a_coroutine())


SOUND: list[Callable[[], Any]] = [
    upserts,
    upserts_many_one_by_one,
    checks_and_inserts_under_a_lock,
    checks_and_inserts_under_an_exclusive_lock,
    replaces_a_page_of_a_search_index,
    upgrades_a_read_transaction_and_is_retried,
    compares_and_sets,
    is_refused_by_a_unique_key,
    commits_in_a_finally_block,
    marks_its_order_done_only_when_it_is,
    rolls_back_on_everything,
    stores_random_ids,
    stores_a_token_it_replaces,
    stores_random_letters,
    stores_the_time,
    uses_up_generated_keys,
    mails_with_a_derived_message_id,
    posts_with_a_derived_key,
    posts_with_a_derived_key_through_httpx,
    puts_through_aiohttp,
    only_gets,
    replaces_a_file,
    restricts_then_publishes,
    works_in_a_temporary_directory,
    makes_a_directory_if_needed,
    removes_what_may_be_gone,
    remembers_in_a_set,
    caches_in_memory,
    upserts_from_a_coroutine,
    uses_sqlalchemy_core,
    reads_rows_by_name,
    checks_under_a_lock_of_threading,
    checks_under_a_lock_of_its_object,
    checks_under_a_lock_that_it_makes,
    checks_under_a_lock_of_an_object_that_it_makes,
    creates_exclusively,
    compares_and_sets_through_an_async_orm,
    appends_a_line_under_a_file_lock,
    rewrites_a_header_and_cuts_the_rest,
    stamps_one_of_two_files,
    tells_the_time_in_many_ways,
    compresses_a_report,
    stores_how_long_it_took,
    draws_a_digit_for_each_of_many,
    copies_into_an_attached_database,
    writes_a_copy_of_its_database,
    upserts_from_a_loop_of_its_own,
    checks_under_a_file_lock,
    checks_under_a_record_lock,
]
