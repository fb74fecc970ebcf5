"""A database, Redis and mail in one job: one restore, and one diff that names all three."""

from __future__ import annotations

import contextlib
import smtplib
import sqlite3
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import redis

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.probes.servers import Mailbox, mail_server


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_state_in_three_places_is_restored_and_told_together(
    tmp_path: Path, mailbox: Mailbox, jobchaos_redis: str, isolation: str
) -> None:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE sent (user INTEGER)")
    with redis.Redis.from_url(jobchaos_redis) as client:
        client.flushdb()
        client.set("mails", 3)

    def job() -> None:
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("INSERT INTO sent VALUES (1)")
        with redis.Redis.from_url(jobchaos_redis) as client:
            client.incr("mails")
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "shop@example.com", "ann@example.com", "Welcome"
        with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as server:
            server.send_message(mail)

    verdict = check(job, faults=["duplicate", "crash"], settings=Settings(profile="quick", isolation=isolation))
    twice = next(finding for finding in verdict.findings if str(finding.schedule) == "A A")
    assert twice.diff is not None
    told = {(change.store, change.table, change.count or change.row.get("value")) for change in twice.diff.changes}
    assert told == {("app.db", "sent", 2), ("redis/0", "strings", 1), ("mail", "mail", 2)}
    (counter,) = (change for change in twice.diff.changes if change.store == "redis/0")
    assert (counter.row["value"], counter.before) == ("5", {"value": "4"})
    with redis.Redis.from_url(jobchaos_redis) as client, contextlib.closing(sqlite3.connect(path)) as db:
        assert client.get("mails") == b"4", "the state of one clean run is left"
        assert db.execute("SELECT count(*) FROM sent").fetchone() == (1,)
