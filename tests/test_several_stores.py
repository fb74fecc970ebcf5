"""A database, files, mails and memory are one state: restored together, and told in one diff."""

from __future__ import annotations

import contextlib
import smtplib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobchaos import MemoryStore, check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from tests.probes.servers import Mailbox, mail_server

QUICK = Settings(profile="quick")


@dataclass
class Shop:
    """All places in which an order leaves traces."""

    folder: Path
    mailbox: Mailbox
    shipped: dict[int, int] = field(default_factory=dict)

    def connect(self) -> contextlib.closing[sqlite3.Connection]:
        return contextlib.closing(sqlite3.connect(self.folder / "shop.db", isolation_level=None))

    def mail(self, message_id: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.mailbox.port, timeout=10) as server:
            text = f"Message-ID: <{message_id}>\nSubject: Shipped\n\nIt is on its way."
            server.sendmail("shop@example.com", ["ann@example.com"], text)


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path, mailbox: Mailbox) -> Shop:
    shop = Shop(tmp_path, mailbox, {1: 5})
    with shop.connect() as db:
        db.executescript("CREATE TABLE shipments (order_id INTEGER); INSERT INTO shipments VALUES (1)")
    (tmp_path / "labels.txt").write_text("1\n")
    return shop


def ships(shop: Shop) -> None:
    """Does everything once more each time."""
    with shop.connect() as db:
        db.execute("INSERT INTO shipments VALUES (7)")
    with (shop.folder / "labels.txt").open("a") as labels:
        labels.write("7\n")
    with shop.connect() as db:
        (count,) = db.execute("SELECT count(*) FROM shipments").fetchone()
    shop.mail(f"shipment-{count}@shop.example")
    shop.shipped[7] = shop.shipped.get(7, 0) + 1


def ships_once(shop: Shop) -> None:
    """Each trace has a name of its own, so that to leave it again changes nothing."""
    with shop.connect() as db:
        db.execute("INSERT INTO shipments SELECT 7 WHERE NOT EXISTS (SELECT 1 FROM shipments WHERE order_id = 7)")
    (shop.folder / "label-7.tmp").write_text("7\n")
    (shop.folder / "label-7.tmp").replace(shop.folder / "label-7.txt")
    shop.mail("shipment-7@shop.example")
    shop.shipped[7] = 1


def stores(shop: Shop) -> list[MemoryStore]:
    return [MemoryStore(shop.shipped, name="shipped")]


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings if finding.gates}


def test_one_diff_tells_of_all(shop: Shop) -> None:
    verdict = check(lambda: ships(shop), stores=stores(shop), faults=["duplicate"], settings=QUICK)
    (finding,) = verdict.findings
    assert (finding.code, str(finding.schedule)) == ("JC101", "A A")
    assert finding.diff is not None
    assert {change.store: change.kind for change in finding.diff.changes} == {
        "shop.db": "extra",
        "files": "changed",
        "mail": "extra",
        "shipped": "changed",
    }


def test_after_a_check_all_are_as_one_clean_run_leaves_them(shop: Shop) -> None:
    check(lambda: ships(shop), stores=stores(shop), settings=QUICK)
    with shop.connect() as db:
        assert db.execute("SELECT order_id FROM shipments").fetchall() == [(1,), (7,)]
    assert (shop.folder / "labels.txt").read_text() == "1\n7\n"
    assert shop.shipped == {1: 5, 7: 1}


def test_after_an_error_all_are_as_before(shop: Shop) -> None:
    def job() -> None:
        ships(shop)
        raise RuntimeError

    assert codes(check(job, stores=stores(shop), settings=QUICK)) == {"JC903"}
    with shop.connect() as db:
        assert db.execute("SELECT order_id FROM shipments").fetchall() == [(1,)]
    assert (shop.folder / "labels.txt").read_text() == "1\n"
    assert shop.shipped == {1: 5}


def test_the_sound_twin_holds_in_all_of_them(shop: Shop) -> None:
    verdict = check(lambda: ships_once(shop), stores=stores(shop), settings=QUICK)
    assert verdict.status == "holds", verdict


def test_without_memory_crashes_are_confirmed_across_all(shop: Shop) -> None:
    def job() -> None:
        with shop.connect() as db:
            db.execute("INSERT INTO shipments VALUES (7)")
        with (shop.folder / "labels.txt").open("a") as labels:
            labels.write("7\n")
        shop.mail("shipment-7@shop.example")

    verdict = check(job, faults=["crash"], settings=QUICK)
    (finding,) = verdict.findings
    assert (finding.code, str(finding.schedule)) == ("JC303", "A1!kill A")
    assert finding.confirmed == "with a real SIGKILL"
    assert finding.diff is not None
    assert [change.store for change in finding.diff.changes] == ["shop.db"]
    assert {place.partition(".")[0] for place in finding.diff.equal} >= {"files", "mail"}
