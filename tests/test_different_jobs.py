"""check() of different jobs: held against all serial orders of them, on real SQLite files."""

from __future__ import annotations

import contextlib
import smtplib
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobchaos import Job, Settings, UsageError, Verdict, check
from jobchaos.report.text import render
from tests.probes.servers import mail_server

QUICK = Settings(profile="quick")
SCHEMA = """
CREATE TABLE stock (item TEXT PRIMARY KEY, n INT);
INSERT INTO stock VALUES ('tea', 10);
CREATE TABLE ann (on_call INT);
INSERT INTO ann VALUES (1);
CREATE TABLE bob (on_call INT);
INSERT INTO bob VALUES (1);
CREATE TABLE report (first INT, second INT);
CREATE TABLE payments (state TEXT);
"""


class Shop:
    """Two databases, and jobs that use them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "app.db"
        self.other = folder / "audit.db"
        with self.connected() as db:
            db.executescript(SCHEMA)
        with self.connected(self.other) as db:
            db.executescript("CREATE TABLE owner (name TEXT); INSERT INTO owner VALUES ('nobody')")

    @contextlib.contextmanager
    def connected(self, path: Path | None = None) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(path or self.path, isolation_level=None)) as db:
            yield db

    def adds(self, n: int) -> None:
        """Read, then write what was read and `n` more."""
        with self.connected() as db:
            (old,) = db.execute("SELECT n FROM stock").fetchone()
            db.execute("UPDATE stock SET n = ?", (old + n,))

    def adds_locked(self, n: int) -> None:
        with self.connected() as db:
            db.execute("BEGIN IMMEDIATE")
            (old,) = db.execute("SELECT n FROM stock").fetchone()
            db.execute("UPDATE stock SET n = ?", (old + n,))
            db.execute("COMMIT")

    def adds_at_once(self, n: int) -> None:
        with self.connected() as db:
            db.execute("UPDATE stock SET n = n + ?", (n,))

    def adds_compared(self, n: int) -> None:
        """Write only if what was read is still so."""
        with self.connected() as db:
            changed = 0
            while not changed:
                (old,) = db.execute("SELECT n FROM stock").fetchone()
                changed = db.execute("UPDATE stock SET n = ? WHERE n = ?", (old + n, old)).rowcount

    def leaves(self, doctor: str, begin: str) -> None:
        """Go off call, if the other one is on call."""
        with self.connected() as db:
            if begin:
                db.execute(begin)
            (count,) = db.execute("SELECT (SELECT on_call FROM ann) + (SELECT on_call FROM bob)").fetchone()
            if count > 1:
                db.execute(f"UPDATE {doctor} SET on_call = 0")
            if begin:
                db.execute("COMMIT")

    def reads_twice(self, *statements: str) -> None:
        with self.connected() as db:
            read = [db.execute(statement).fetchone()[0] for statement in statements]
            db.execute("INSERT INTO report VALUES (?, ?)", read)

    def moves(self) -> None:
        """One transaction over two tables."""
        with self.connected() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE ann SET on_call = 5")
            db.execute("UPDATE bob SET on_call = 5")
            db.execute("COMMIT")

    def signs(self, name: str) -> None:
        """Write the same name to two databases, each in a transaction of its own."""
        with self.connected() as db:
            db.execute("UPDATE stock SET item = ?", (name,))
        with self.connected(self.other) as db:
            db.execute("UPDATE owner SET name = ?", (name,))

    def welcomes(self, subject: str, port: int) -> None:
        """Mail, unless somebody has done so."""
        with self.connected() as db:
            if not db.execute("SELECT 1 FROM payments").fetchone():
                with smtplib.SMTP("127.0.0.1", port) as server:
                    server.sendmail("shop@example.com", ["ann@example.com"], f"Subject: {subject}\n\nHello")
                db.execute("INSERT INTO payments VALUES ('welcomed')")

    def notes_the_moment(self) -> None:
        with self.connected() as db:
            db.execute("INSERT INTO payments VALUES (?)", (f"{uuid.uuid4()} at {time.time()}",))

    def pays(self) -> None:
        with self.connected() as db:
            db.execute("INSERT INTO payments VALUES ('paid')")

    def cancels(self) -> None:
        """Refuse what is paid, otherwise make payments impossible: it fails only after `pays`."""
        with self.connected() as db:
            db.execute("BEGIN IMMEDIATE")
            if db.execute("SELECT 1 FROM payments").fetchone():
                raise ValueError("paid already")
            db.execute("UPDATE stock SET n = 0")
            db.execute("COMMIT")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def jobs_of(shop: Shop, name: str) -> list[Job]:
    return {
        "lost update": [Job(shop.adds, 1), Job(shop.adds, 5)],
        "write skew": [Job(shop.leaves, "ann", ""), Job(shop.leaves, "bob", "")],
        "non-repeatable read": [Job(shop.reads_twice, *["SELECT n FROM stock"] * 2), Job(shop.adds_locked, 1)],
        "read skew": [Job(shop.reads_twice, "SELECT * FROM ann", "SELECT * FROM bob"), Job(shop.moves)],
        "dirty write": [Job(shop.signs, "ann"), Job(shop.signs, "bob")],
    }[name]


@pytest.mark.parametrize(
    ("name", "code", "token"),
    [
        ("lost update", "JC205", "A1 B A"),
        ("write skew", "JC206", "A1 B A"),
        ("non-repeatable read", "JC207", "A1 B A"),
        ("read skew", "JC207", "A1 B A"),
        ("dirty write", "JC208", "A1 B A"),
    ],
)
def test_an_anomaly_is_found_and_named(shop: Shop, name: str, code: str, token: str) -> None:
    verdict = check(*jobs_of(shop, name), settings=QUICK)
    assert codes(verdict) == [code]
    (finding,) = verdict.findings
    assert str(finding.schedule) == token
    assert finding.detail.startswith(f"{name}: A ")
    assert finding.replays == (1, 1)


def test_the_cycle_is_shown_with_call_sites(shop: Shop) -> None:
    (finding,) = check(*jobs_of(shop, "lost update"), settings=QUICK).findings
    line = Shop.adds.__code__.co_firstlineno
    read, write = (f"(test_different_jobs.py:{line + offset})" for offset in (3, 4))
    assert finding.detail.splitlines() == [
        f"lost update: A reads stock {read} -> B writes stock {write} -> A writes stock {write}",
        "A is Shop.adds(1), B is Shop.adds(5)",
    ]


@pytest.mark.parametrize(
    "jobs",
    [
        lambda shop: [Job(shop.adds_locked, 1), Job(shop.adds_locked, 5)],
        lambda shop: [Job(shop.adds_compared, 1), Job(shop.adds_compared, 5)],
        lambda shop: [Job(shop.leaves, "ann", "BEGIN IMMEDIATE"), Job(shop.leaves, "bob", "BEGIN IMMEDIATE")],
        lambda shop: [Job(shop.adds_locked, number) for number in (1, 2, 4)],
    ],
)
def test_sound_jobs_hold(shop: Shop, jobs: Callable[[Shop], list[Job]]) -> None:
    checked = jobs(shop)
    verdict = check(*checked, settings=QUICK)
    assert verdict.status == "holds", render(verdict)
    orders = {2: 2, 3: 6}[len(checked)]
    assert f"{len(checked)} different jobs with <= 1 preemption, against all {orders} serial orders" in verdict.claim


def test_either_order_is_right(shop: Shop) -> None:
    """The last one wins: two states are allowed, and each schedule leaves one of them."""
    verdict = check(Job(shop.adds_locked, 1), Job(sets, shop.path, 3), settings=QUICK)
    assert verdict.status == "holds", render(verdict)


def sets(path: Path, n: int) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE stock SET n = ?", (n,))


@pytest.mark.parametrize("count", [3, 4])
def test_one_unsound_job_among_several_is_found(shop: Shop, count: int) -> None:
    sound = [Job(shop.adds_at_once, 10**number) for number in range(1, count)]
    verdict = check(*sound, Job(shop.adds, 1), settings=QUICK)
    (finding,) = (finding for finding in verdict.findings if finding.code == "JC205")
    writer = "ABCD"[count - 1]
    assert finding.detail.startswith(f"lost update: {writer} reads stock")
    assert verdict.job.count(" with ") == count - 1


def test_a_job_may_fail_in_one_order(shop: Shop) -> None:
    verdict = check(Job(shop.pays), Job(shop.cancels), settings=QUICK)
    assert verdict.status == "holds", render(verdict)
    assert "Shop.cancels() fails in 1 of 2 serial orders (A then B: ValueError: paid already)" in verdict.notes, (
        verdict.notes
    )


def test_a_job_that_fails_in_every_order_is_no_baseline(shop: Shop) -> None:
    def fails() -> None:
        raise RuntimeError("no such thing")

    verdict = check(Job(shop.pays), Job(fails), settings=QUICK)
    assert codes(verdict) == ["JC903"]
    assert "fails() fails in every serial order: RuntimeError: no such thing" in verdict.findings[0].message
    assert "in fails" in verdict.findings[0].detail


def test_a_mail_that_no_order_sends_is_found(shop: Shop) -> None:
    with mail_server() as mailbox:
        jobs = [Job(shop.welcomes, subject, mailbox.port) for subject in ("Welcome", "Hello")]
        verdict = check(*jobs, settings=QUICK)
    assert codes(verdict) == ["JC206"], render(verdict)  # each checks before the other's INSERT
    assert "mails ann@example.com" in verdict.findings[0].message
    assert "write skew: A reads payments" in verdict.findings[0].detail


def test_the_time_and_random_values_do_not_matter(shop: Shop) -> None:
    verdict = check(Job(shop.notes_the_moment), Job(shop.adds_at_once, 1), settings=QUICK)
    assert verdict.status == "holds", render(verdict)
    assert any("app.db.payments.state" in note for note in verdict.notes), verdict.notes


def test_columns_that_only_one_order_fills_may_depend_on_the_time(shop: Shop) -> None:
    def notes_if_empty() -> None:
        with shop.connected() as db:
            db.execute("BEGIN IMMEDIATE")
            if not db.execute("SELECT 1 FROM payments").fetchone():
                db.execute("INSERT INTO payments VALUES (?)", (str(time.time()),))
            db.execute("COMMIT")

    verdict = check(Job(shop.pays), notes_if_empty, settings=QUICK)
    assert verdict.status == "holds", render(verdict)


def test_locks_taken_in_opposite_order_never_let_go(shop: Shop) -> None:
    locks = {"one": threading.Lock(), "two": threading.Lock()}
    one, two = locks.values()

    def forwards() -> None:
        with one:
            shop.adds_at_once(1)
            with two:
                shop.adds_at_once(2)

    def backwards() -> None:
        with two:
            shop.adds_at_once(4)
            with one:
                shop.adds_at_once(8)

    verdict = check(forwards, backwards, settings=QUICK)
    assert codes(verdict)[0] == "JC204", render(verdict)
    assert "never completes (waits for ever for" in verdict.findings[0].message


def test_the_world_is_left_as_the_first_order_leaves_it(shop: Shop) -> None:
    check(*jobs_of(shop, "lost update"), settings=QUICK)
    with shop.connected() as db:
        assert db.execute("SELECT n FROM stock").fetchone() == (16,)


def test_one_schedule_can_be_replayed(shop: Shop) -> None:
    jobs = jobs_of(shop, "lost update")
    assert codes(check(*jobs, settings=QUICK, schedule="B1 A B")) == ["JC205"]
    assert check(*jobs, settings=QUICK, schedule="B A")


@pytest.mark.parametrize("token", ["A A", "A1!fail A B", "A B C"])
def test_a_schedule_of_something_else_is_refused(shop: Shop, token: str) -> None:
    with pytest.raises(UsageError, match="is no schedule of 2 different jobs"):
        check(*jobs_of(shop, "lost update"), settings=QUICK, schedule=token)


def test_other_faults_are_refused(shop: Shop) -> None:
    with pytest.raises(UsageError, match=r"concurrent schedules only, got faults duplicate\. Use run_concurrently"):
        check(*jobs_of(shop, "lost update"), faults=["duplicate"])


@pytest.mark.parametrize("count", [0, 5])
def test_too_many_jobs_are_refused(shop: Shop, count: int) -> None:
    with pytest.raises(UsageError, match=f"up to 4 different ones that overlap, got {count}"):
        check(*[Job(shop.pays)] * count)


def test_memory_that_jobs_share_is_captured_once() -> None:
    seats = {"free": 2}

    def takes() -> None:
        left = seats["free"]
        seats["free"] = left - 1

    def returns() -> None:
        left = seats["free"]
        seats["free"] = left + 1

    verdict = check(takes, returns, settings=QUICK)
    assert codes(verdict) == ["JC209"], render(verdict)
    (finding,) = verdict.findings
    assert finding.diff is not None
    assert len(finding.diff.changes) == 1
