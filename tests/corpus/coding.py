"""One job for each code of a consequence that the other corpora do not name, each with a sound twin."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.corpus import site

ANN = "ann@example.com"


def status() -> str:
    with site.connect() as db:
        return str(db.execute("SELECT status FROM orders WHERE id = 7").fetchone()[0])


def mark(text: str) -> None:
    with site.connect() as db:
        db.execute("UPDATE orders SET status = ? WHERE id = 7", (text,))


def earn_a_point() -> None:
    with site.connect() as db:
        db.execute("UPDATE users SET points = points + 1 WHERE id = 1")


def marks_before_it_mails() -> None:
    if status() == "new":
        mark("mailed")
        site.mail(ANN, "<welcome-1@shop.example.com>")


def mails_before_it_marks() -> None:
    if status() == "new":
        site.mail(ANN, "<welcome-1@shop.example.com>")
        mark("mailed")


def commits_half_before_it_charges() -> None:
    if status() == "new":
        earn_a_point()
        site.post("/charges", key="order 7")
        mark("charged")


def charges_before_it_commits_all() -> None:
    if status() == "new":
        site.post("/charges", key="order 7")
        with site.connect() as db:
            db.execute("BEGIN IMMEDIATE")
            if db.execute("UPDATE orders SET status = 'charged' WHERE id = 7 AND status = 'new'").rowcount:
                db.execute("UPDATE users SET points = points + 1 WHERE id = 1")
            db.execute("COMMIT")


def take_lock() -> None:
    with site.connect() as db:
        if db.execute("SELECT count(*) FROM locks").fetchone()[0]:
            raise RuntimeError("somebody else is at it")
        db.execute("INSERT INTO locks VALUES ('order 7')")


def free_lock() -> None:
    with site.connect() as db:
        db.execute("DELETE FROM locks")


def keeps_a_lock_when_a_call_fails() -> None:
    take_lock()
    site.post("/charges", key="order 7")
    free_lock()


def frees_its_lock_whatever_happens() -> None:
    """An insert whose answer is lost is its own: it is asked for by name."""
    with contextlib.ExitStack() as undo:
        undo.callback(free_lock)
        with site.connect() as db:
            db.execute("INSERT INTO locks VALUES ('order 7') ON CONFLICT DO NOTHING")
        site.post("/charges", key="order 7")


@dataclass(frozen=True)
class Case:
    """A broken job, what must be said of it, and its sound twin.

    Attributes:
        code: The finding's code.
        faults: The families to try.
        broken: The job.
        token: The minimal schedule.
        sound: A job that does the same, and holds.
    """

    code: str
    faults: tuple[str, ...]
    broken: Callable[[], None]
    token: str
    sound: Callable[[], None]


CASES = [
    Case("JC412", ("timeout",), marks_before_it_mails, "A2!hang", mails_before_it_marks),
    Case("JC413", ("timeout",), commits_half_before_it_charges, "A2!hang", charges_before_it_commits_all),
    Case("JC414", ("timeout",), keeps_a_lock_when_a_call_fails, "A2!hang", frees_its_lock_whatever_happens),
    Case("JC502", ("retry",), marks_before_it_mails, "A1!lost", mails_before_it_marks),
    Case("JC504", ("retry",), keeps_a_lock_when_a_call_fails, "A1!lost", frees_its_lock_whatever_happens),
]
