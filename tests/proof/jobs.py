"""Small jobs, right and wrong ones: up to five effects each, on SQLite, files and mail."""

from __future__ import annotations

import contextlib
import os
import smtplib
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.proof import place


def connected() -> AbstractContextManager[sqlite3.Connection]:
    """An autocommit connection that is closed at the end of the block."""
    return contextlib.closing(sqlite3.connect(place.database(), isolation_level=None))


def value(db: sqlite3.Connection, name: str) -> int:
    found: tuple[int] = db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return found[0]


def put(db: sqlite3.Connection, name: str, new: int) -> None:
    db.execute("UPDATE counters SET value = ? WHERE name = ?", (new, name))


def send() -> None:
    with smtplib.SMTP("127.0.0.1", place.mail_port, timeout=10) as server:
        server.sendmail("shop@example.com", "ann@example.com", "Subject: Hello\r\n\r\nHello\r\n")


def loses_updates() -> None:
    with connected() as db:
        put(db, "a", 2 * value(db, "a"))


def adds_in_place() -> None:
    with connected() as db:
        db.execute("UPDATE counters SET value = value + 1 WHERE name = 'a'")
        db.execute("UPDATE counters SET value = value * 2 WHERE name = 'b'")


def looks_then_inserts() -> None:
    with connected() as db:
        if value(db, "sent") == 0:
            db.execute("INSERT INTO log VALUES ('sent')")
            put(db, "sent", 1)


def crosses_two_rows() -> None:
    with connected() as db:
        put(db, "b", value(db, "a") + 1)
        put(db, "a", value(db, "b") + 1)


def reads_before_it_writes() -> None:
    with connected() as db:
        put(db, "a", 1 + value(db, "a") + value(db, "b"))
        put(db, "b", 2 * value(db, "a"))


def locks_at_once() -> None:
    with connected() as db:
        db.execute("BEGIN IMMEDIATE")
        put(db, "a", 2 * value(db, "a"))
        db.execute("COMMIT")


def locks_late() -> None:
    with connected() as db:
        db.execute("BEGIN")
        put(db, "a", 2 * value(db, "a"))
        db.execute("COMMIT")


def writes_two_rows_at_once() -> None:
    with connected() as db:
        db.execute("BEGIN")
        db.execute("UPDATE counters SET value = value + 1 WHERE name = 'a'")
        db.execute("UPDATE counters SET value = value * 2 WHERE name = 'a'")
        db.execute("COMMIT")


def logs_then_locks() -> None:
    with connected() as db:
        db.execute("INSERT INTO log VALUES ('begun')")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE counters SET value = value + (SELECT count(*) FROM log) WHERE name = 'a'")
        db.execute("COMMIT")


def counts_in_a_file() -> None:
    path = place.folder / "total.txt"
    path.write_text(str(2 * int(path.read_text() or "0")))


def appends_to_a_file() -> None:
    for line in ("one\n", "two\n"):
        with (place.folder / "log.txt").open("a") as file:
            file.write(line)


def creates_a_file_once() -> None:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(place.folder / "done", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        with connected() as db:
            db.execute("INSERT INTO log VALUES ('done')")


def mails_then_notes_it() -> None:
    with connected() as db:
        if value(db, "sent") == 0:
            send()
            put(db, "sent", 1)


def notes_it_then_mails() -> None:
    with connected() as db:
        db.execute("BEGIN IMMEDIATE")
        sent = value(db, "sent")
        put(db, "sent", 1)
        db.execute("COMMIT")
    if not sent:
        send()


def mails_under_a_lock() -> None:
    with connected() as db:
        db.execute("BEGIN IMMEDIATE")
        if value(db, "sent") == 0:
            send()
            put(db, "sent", 1)
        db.execute("COMMIT")


JOBS: tuple[Callable[[], None], ...] = (
    loses_updates,
    adds_in_place,
    looks_then_inserts,
    crosses_two_rows,
    reads_before_it_writes,
    locks_at_once,
    locks_late,
    writes_two_rows_at_once,
    logs_then_locks,
    counts_in_a_file,
    appends_to_a_file,
    creates_a_file_once,
    mails_then_notes_it,
    notes_it_then_mails,
    mails_under_a_lock,
)
