"""Jobs with leases and deadlines. All survive duplicates, overlaps and crashes, as long as nothing runs out."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import uuid
from collections.abc import Callable
from typing import Any

import jobchaos
from tests.corpus import site
from tests.corpus.broken import Broken

TTL = 60


class BusyError(Exception):
    """Somebody else holds the lease: the queue is to deliver the job again, later."""


def acquire(db: sqlite3.Connection, margin: float = 0) -> str:
    """Take the lease of order 7; return who holds it."""
    owner, now = uuid.uuid4().hex, time.time()
    taken = db.execute(
        "UPDATE leases SET owner = ?, expires = ?, token = token + 1 WHERE name = 'order 7' AND expires < ?",
        (owner, now + TTL, now - margin),
    )
    if not taken.rowcount:
        raise BusyError
    return owner


def give_back(db: sqlite3.Connection, owner: str) -> None:
    db.execute("UPDATE leases SET expires = 0 WHERE name = 'order 7' AND owner = ?", (owner,))


def is_paid(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) FROM payments WHERE order_id = 7").fetchone()[0])


# --- broken ----------------------------------------------------------------------------------------------------------


def trusts_its_lease() -> None:
    with site.connect() as db:
        owner = acquire(db)
        if not is_paid(db):
            db.execute("INSERT INTO payments (order_id) VALUES (7)")
        give_back(db, owner)


def remembers_for_a_minute() -> None:
    now = time.time()
    with site.connect() as db:
        db.execute("BEGIN IMMEDIATE")
        sql = "UPDATE leases SET expires = ? WHERE name = 'order 7' AND expires < ?"
        if db.execute(sql, (now + TTL, now)).rowcount:
            db.execute("INSERT INTO payments (order_id) VALUES (7)")
        db.execute("COMMIT")


def claims_what_was_claimed_long_ago() -> None:
    now = int(time.time())
    with site.connect() as db:
        if db.execute("SELECT status FROM orders WHERE id = 7").fetchone()[0] == "done":
            return
        sql = "UPDATE orders SET status = 'doing', updated_at = ? WHERE status = 'new' OR updated_at < ?"
        if not db.execute(sql, (now, now - 300)).rowcount:
            raise BusyError
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO payments (order_id) VALUES (7)")
        db.execute("UPDATE orders SET status = 'done', updated_at = NULL WHERE id = 7")
        db.execute("COMMIT")


def declares_a_lease_that_no_probe_sees() -> None:
    minute = int(time.time()) // 60
    with site.connect() as db:
        sql = f"UPDATE leases SET token = {minute + 3} WHERE name = 'order 7' AND token <= {minute}"
        if not db.execute(sql).rowcount:
            raise BusyError
        with jobchaos.lease("order 7", 3 * 60):
            if not is_paid(db):
                db.execute("INSERT INTO payments (order_id) VALUES (7)")
            db.execute("UPDATE leases SET token = 0 WHERE name = 'order 7'")


def looks_how_old_a_claim_is() -> None:
    """Nothing but its own code knows the limit."""
    now = time.time()
    with site.connect() as db:
        db.execute("BEGIN IMMEDIATE")
        token, claimed = db.execute("SELECT token, expires FROM leases WHERE name = 'order 7'").fetchone()
        if token and now - claimed < 10 * TTL:
            db.execute("ROLLBACK")
            raise BusyError
        db.execute("UPDATE leases SET token = 1, expires = ? WHERE name = 'order 7'", (now,))
        db.execute("COMMIT")
        if not is_paid(db):
            db.execute("INSERT INTO payments (order_id) VALUES (7)")
        db.execute("UPDATE leases SET token = 0 WHERE name = 'order 7'")


def keeps_its_lease() -> None:
    with site.connect() as db:
        acquire(db)
        if not is_paid(db):
            db.execute(f"INSERT INTO payments (order_id) SELECT 7 WHERE {STILL_OURS}")


def takes_its_lease_by_the_databases_clock(ttl: int = TTL) -> None:
    with site.connect() as db:
        sql = "UPDATE leases SET expires = unixepoch() + ? WHERE name = 'order 7' AND expires < unixepoch()"
        if not db.execute(sql, (ttl,)).rowcount:
            raise BusyError
        if not is_paid(db):
            db.execute("INSERT INTO payments (order_id) VALUES (7)")
        db.execute("UPDATE leases SET expires = 0 WHERE name = 'order 7'")


def claims_what_was_claimed_long_ago_in_the_database() -> None:
    with site.connect() as db:
        if db.execute("SELECT status FROM orders WHERE id = 7").fetchone()[0] == "done":
            return
        sql = "status = 'new' OR updated_at < datetime('now', '-5 minutes')"
        if not db.execute(f"UPDATE orders SET status = 'doing', updated_at = CURRENT_TIMESTAMP WHERE {sql}").rowcount:
            raise BusyError
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO payments (order_id) VALUES (7)")
        db.execute("UPDATE orders SET status = 'done', updated_at = NULL WHERE id = 7")
        db.execute("COMMIT")


STILL_OURS = "NOT EXISTS (SELECT 1 FROM payments)"

EXPIRING = [
    Broken(trusts_its_lease, {"JC612": "A2 +61s B A"}),
    Broken(remembers_for_a_minute, {"JC603": "A +61s A"}),
    Broken(claims_what_was_claimed_long_ago, {"JC612": "A2 +301s B A"}),
    Broken(declares_a_lease_that_no_probe_sees, {"JC612": "A2 +181s B A"}),
    Broken(looks_how_old_a_claim_is, {"JC603": "A5 +3601s B A"}),
    Broken(keeps_its_lease, {"JC614": "A A"}),
    Broken(takes_its_lease_by_the_databases_clock, {"JC612": "A2 +61s B A"}),
    Broken(claims_what_was_claimed_long_ago_in_the_database, {"JC612": "A2 +301s B A"}),
]


# --- broken, in what only time brings about ---------------------------------------------------------------------------


def mails_again_when_its_mark_is_old(message_id: str | None = None) -> None:
    """The mark is to keep two workers apart, and is taken for "sent", too."""
    now = time.time()
    with site.connect() as db:
        sql = "UPDATE leases SET expires = ? WHERE name = 'order 7' AND expires < ?"
        if db.execute(sql, (now + TTL, now)).rowcount:
            site.mail("ann@example.com", message_id)


def mails_the_same_when_its_mark_is_old() -> None:
    mails_again_when_its_mark_is_old("<order-7@example.com>")


def leaves_the_mail_to_who_was_there_first(*, stale_is_done: bool = True) -> None:
    """Whoever finds a stale mark takes the work for done; whose mark it was finds it gone, and leaves, too."""
    owner, now = uuid.uuid4().hex, time.time()
    with site.connect() as db:
        holder, expires = db.execute("SELECT owner, expires FROM leases WHERE name = 'order 7'").fetchone()
        if holder == "done":
            return
        if holder and expires > now:
            raise BusyError
        if holder and stale_is_done:
            db.execute("UPDATE leases SET owner = 'done', expires = 0 WHERE owner = ?", (holder,))
            return
        sql = "UPDATE leases SET owner = ?, expires = ? WHERE owner IS ? AND expires = ?"
        if not db.execute(sql, (owner, now + TTL, holder, expires)).rowcount:
            raise BusyError
        if db.execute("SELECT owner FROM leases WHERE name = 'order 7'").fetchone()[0] == owner:
            site.mail("ann@example.com", "<order-7@example.com>")
            db.execute("UPDATE leases SET owner = 'done', expires = 0 WHERE owner = ?", (owner,))


def does_the_work_of_who_was_there_first() -> None:
    leaves_the_mail_to_who_was_there_first(stale_is_done=False)


def takes_over_when_a_mark_is_stale() -> None:
    waits_for_people_when_a_mark_is_stale(stale="new")


def waits_for_people_when_a_mark_is_stale(*, stale: str = "stuck") -> None:
    now = time.time()
    with site.connect() as db:
        db.execute("BEGIN IMMEDIATE")
        status, at = db.execute("SELECT status, updated_at FROM orders WHERE id = 7").fetchone()
        if status == "doing" and float(at) < now - TTL:
            status = stale
            db.execute("UPDATE orders SET status = ? WHERE id = 7", (stale,))
        if status == "new":
            db.execute("UPDATE orders SET status = 'doing', updated_at = ? WHERE id = 7", (now,))
        db.execute("COMMIT")
        if status == "done":
            return
        if status != "new":
            raise BusyError
        db.execute("UPDATE orders SET status = 'done', updated_at = NULL WHERE id = 7 AND status = 'doing'")


def pays_anew(owner_frees: bool = False) -> None:
    """Writes nothing when its own time is over, and then frees a lease that may be another one's by now."""
    owner, now = uuid.uuid4().hex, time.time()
    with site.connect() as db:
        sql = "UPDATE leases SET owner = ?, expires = ? WHERE name = 'order 7' AND expires < ?"
        if not db.execute(sql, (owner, now + TTL, now)).rowcount:
            raise BusyError
        in_time = "unixepoch() < ?"
        db.execute(f"DELETE FROM payments WHERE {in_time}", (now + TTL,))
        db.execute(f"INSERT INTO payments (order_id) SELECT 7 WHERE {in_time}", (now + TTL,))
        ours = "owner = ?" if owner_frees else "? <> ''"
        db.execute(f"UPDATE leases SET expires = 0 WHERE name = 'order 7' AND {ours}", (owner,))


def pays_anew_and_frees_its_own_lease() -> None:
    pays_anew(owner_frees=True)


LATE = [
    Broken(mails_again_when_its_mark_is_old, {"JC601": "A +61s A", "JC612": "A1 +61s B A"}),
    Broken(leaves_the_mail_to_who_was_there_first, {"JC602": "A2 +61s B A"}),
    Broken(waits_for_people_when_a_mark_is_stale, {"JC604": "A4 +3598s B A"}),
    Broken(pays_anew, {"JC613": "A1 +61s B2 A C B"}),
]
LATE_AND_SOUND: list[Callable[[], Any]] = [
    mails_the_same_when_its_mark_is_old,
    does_the_work_of_who_was_there_first,
    takes_over_when_a_mark_is_stale,
    pays_anew_and_frees_its_own_lease,
]


# --- sound -----------------------------------------------------------------------------------------------------------


def checks_its_fencing_token() -> None:
    with site.connect() as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            owner = acquire(db)
            (token,) = db.execute("SELECT token FROM leases WHERE name = 'order 7'").fetchone()
        except BusyError:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        db.execute(
            "INSERT INTO payments (order_id) SELECT 7 WHERE NOT EXISTS (SELECT 1 FROM payments) "
            "AND (SELECT token FROM leases WHERE name = 'order 7') = ?",
            (token,),
        )
        give_back(db, owner)


def renews_its_lease_with_every_step() -> None:
    with site.connect() as db:
        owner = acquire(db)
        for _ in range(2):
            db.execute("BEGIN IMMEDIATE")
            now = time.time()
            sql = "UPDATE leases SET expires = ? WHERE name = 'order 7' AND owner = ? AND expires > ?"
            if not db.execute(sql, (now + TTL, owner, now)).rowcount:
                db.execute("ROLLBACK")
                raise BusyError
            if not is_paid(db):
                db.execute("INSERT INTO payments (order_id) VALUES (7)")
            db.execute("COMMIT")
        give_back(db, owner)


def leaves_a_margin_for_wrong_clocks() -> None:
    with site.connect() as db:
        owner = acquire(db, margin=10)
        sql = "SELECT 7 WHERE NOT EXISTS (SELECT 1 FROM payments) AND (SELECT owner FROM leases) = ?"
        db.execute(f"INSERT INTO payments (order_id) {sql}", (owner,))
        give_back(db, owner)


def reads_its_deadline_from_monotonic() -> None:
    begun = time.monotonic()
    with site.connect() as db:
        for order in (7, 8, 9):
            if time.monotonic() - begun > 30:
                raise BusyError
            db.execute("INSERT OR IGNORE INTO receipts (order_id) VALUES (?)", (order,))
            time.sleep(1)


def waits_until_the_lease_is_free() -> None:
    with site.connect() as db:
        while True:
            with contextlib.suppress(BusyError):
                owner = acquire(db)
                break
            time.sleep(1)
        sql = "SELECT 7 WHERE NOT EXISTS (SELECT 1 FROM payments) AND (SELECT owner FROM leases) = ?"
        db.execute(f"INSERT INTO payments (order_id) {sql}", (owner,))
        give_back(db, owner)


def lets_its_lease_run_out_on_purpose() -> None:
    """At most once a minute: who comes too early has nothing to do, as the work is done."""
    now = time.time()
    with site.connect() as db:
        sql = "UPDATE leases SET expires = ? WHERE name = 'order 7' AND expires < ?"
        db.execute("BEGIN IMMEDIATE")
        if db.execute(sql, (now + TTL, now)).rowcount:
            db.execute("INSERT OR IGNORE INTO receipts (order_id) VALUES (7)")
        db.execute("COMMIT")


def does_something_else_when_it_is_late() -> None:
    """Which of both is right depends on when it is delivered."""
    with site.connect() as db:
        due = BEGINNING + 30
        status = "late" if time.time() > due else "done"
        db.execute("UPDATE orders SET status = ?, updated_at = ? WHERE id = 7 AND status = 'new'", (status, due))


def checks_its_token_by_the_databases_clock() -> None:
    with site.connect() as db:
        row = db.execute(
            "UPDATE leases SET expires = unixepoch() + 60, token = token + 1 "
            "WHERE name = 'order 7' AND expires < unixepoch() RETURNING token"
        ).fetchone()
        if row is None:
            raise BusyError
        db.execute(
            "INSERT INTO payments (order_id) SELECT 7 WHERE NOT EXISTS (SELECT 1 FROM payments) "
            "AND EXISTS (SELECT 1 FROM leases WHERE name = 'order 7' AND token = ? AND expires > unixepoch())",
            row,
        )
        db.execute("UPDATE leases SET expires = 0 WHERE name = 'order 7' AND token = ?", row)


BEGINNING = 1_900_000_000

UNHURRIED: list[Callable[[], Any]] = [
    checks_its_fencing_token,
    renews_its_lease_with_every_step,
    leaves_a_margin_for_wrong_clocks,
    reads_its_deadline_from_monotonic,
    waits_until_the_lease_is_free,
    lets_its_lease_run_out_on_purpose,
    does_something_else_when_it_is_late,
    checks_its_token_by_the_databases_clock,
]
