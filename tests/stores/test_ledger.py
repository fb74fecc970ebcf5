"""What a job leaves with others is counted once for each identity that the other side would recognise."""

from __future__ import annotations

import http.client
import smtplib
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest

from jobchaos.core.effect import Foreign
from jobchaos.core.ports import Ledger
from jobchaos.core.snapshot import Row
from jobchaos.probes.http import HTTPProbe
from jobchaos.probes.smtp import SMTPProbe
from jobchaos.stores.ledger import EffectLedger
from tests.probes.conftest import Watch
from tests.probes.servers import Mailbox, WebServer, mail_server, web_server

TWICE = "A B"
HTTP = ("method", "url", "body")
MAIL = ("to", "subject", "from", "body")


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def entered(ledger: EffectLedger) -> tuple[Row, ...]:
    (table,) = ledger.snapshot().tables.values()
    return tuple(table.rows)


def ledger_of(name: str, job: Callable[[], object], token: str = TWICE) -> EffectLedger:
    """The ledger after the job has run under real probes."""
    watch, ledger = Watch(), EffectLedger(name)
    run = watch(job, token, HTTPProbe(), SMTPProbe())
    assert run.completed, run.copies
    ledger.capture()
    for foreign in watch.recorder.records:
        ledger.record(foreign)
    return ledger


def mails(mailbox: Mailbox, *, to: str = "ann@example.com", message_id: str = "", body: str = "Hello") -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", to, "Welcome"
    if message_id:
        mail["Message-ID"] = message_id
    mail.set_content(body)
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as smtp:
        smtp.send_message(mail)


def calls(server: WebServer, method: str, *, key: str = "", body: str = "{}", path: str = "/charges") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, body, {"Idempotency-Key": key} if key else {})
        connection.getresponse().read()
    finally:
        connection.close()


def test_every_mail_without_an_id_counts(mailbox: Mailbox) -> None:
    row = ("ann@example.com", "Welcome", "shop@example.com", "Hello")
    assert entered(ledger_of("mail", lambda: mails(mailbox))) == (row, row)


def test_a_mail_with_an_id_that_the_job_sets_counts_once(mailbox: Mailbox) -> None:
    assert len(entered(ledger_of("mail", lambda: mails(mailbox, message_id="<welcome-1@shop>")))) == 1


def test_another_id_or_another_recipient_is_another_mail(mailbox: Mailbox) -> None:
    def job() -> None:
        mails(mailbox, message_id="<1@shop>")
        mails(mailbox, message_id="<2@shop>")
        mails(mailbox, message_id="<1@shop>", to="bob@example.com")

    assert len(entered(ledger_of("mail", job))) == 3


def test_an_id_counts_for_the_first_of_its_mails_whatever_the_second_says(mailbox: Mailbox) -> None:
    bodies = iter(["first", "second"])
    ledger = ledger_of("mail", lambda: mails(mailbox, message_id="<1@shop>", body=next(bodies)))
    assert [row[3] for row in entered(ledger)] == ["first"]


def test_every_post_without_a_key_counts(server: WebServer) -> None:
    assert len(entered(ledger_of("http", lambda: calls(server, "POST")))) == 2


def test_a_post_with_an_idempotency_key_counts_once(server: WebServer) -> None:
    (row,) = entered(ledger_of("http", lambda: calls(server, "POST", key="order-7")))
    assert row == ("POST", f"http://127.0.0.1:{server.server_port}/charges", "{}")


def test_a_key_is_good_for_its_own_address_only(server: WebServer) -> None:
    def job() -> None:
        calls(server, "POST", key="k")
        calls(server, "POST", key="k", path="/refunds")
        calls(server, "POST", key="other")

    assert len(entered(ledger_of("http", job))) == 3


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_does_not_count(server: WebServer, method: str) -> None:
    assert entered(ledger_of("http", lambda: calls(server, method))) == ()


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_the_same_put_or_delete_counts_once(server: WebServer, method: str) -> None:
    assert len(entered(ledger_of("http", lambda: calls(server, method)))) == 1


def test_a_put_of_something_else_counts_again(server: WebServer) -> None:
    bodies = iter(["1", "2"])
    ledger = ledger_of("http", lambda: calls(server, "PUT", body=next(bodies)))
    assert [row[2] for row in entered(ledger)] == ["1", "2"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_keys_tell_puts_apart_that_say_the_same(server: WebServer, method: str) -> None:
    keys = iter(["first", "second"])
    assert len(entered(ledger_of("http", lambda: calls(server, method, key=next(keys))))) == 2


@pytest.mark.parametrize(("name", "columns"), [("mail", MAIL), ("http", HTTP)])
def test_an_empty_ledger_has_the_columns_of_a_full_one(name: str, columns: tuple[str, ...]) -> None:
    ledger = EffectLedger(name)
    assert isinstance(ledger, Ledger)
    empty = ledger.snapshot().tables[name]
    assert (empty.columns, empty.rows, empty.key) == (columns, (), ())
    ledger.record(Foreign(name, columns, columns))
    assert ledger.snapshot().tables[name].columns == columns


def test_a_restore_forgets_effects_and_identities() -> None:
    ledger = EffectLedger("mail")
    ledger.capture()
    foreign = Foreign("mail", MAIL, ("ann", "Hi", "shop", ""), ("<1@shop>", "ann"))
    empty = ledger.snapshot()
    for _ in range(2):
        ledger.record(foreign)
        ledger.record(foreign)
        assert entered(ledger) == (foreign.values,)
        ledger.restore()
        assert ledger.snapshot().digest == empty.digest


def test_a_capture_forgets_what_was_before_it() -> None:
    ledger = EffectLedger("mail")
    ledger.record(Foreign("mail", MAIL, ("ann", "Hi", "shop", "")))
    ledger.capture()
    assert entered(ledger) == ()


def test_a_snapshot_is_not_changed_by_later_effects() -> None:
    ledger = EffectLedger("mail")
    before = ledger.snapshot()
    ledger.record(Foreign("mail", MAIL, ("ann", "Hi", "shop", "")))
    assert before.tables["mail"].rows == ()
    assert not before.same_as(ledger.snapshot())


def test_a_ledger_covers_its_own_kind() -> None:
    ledger = EffectLedger("mail")
    assert [ledger.covers(resource) for resource in ("mail:", "mail:ann@example.com", "http:x", "mailbox:x")] == [
        True,
        True,
        False,
        False,
    ]
