"""Messages are seen where they leave for the server, with what the server said."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from jobchaos.core.effect import Foreign
from jobchaos.errors import ForeignHostError
from jobchaos.probes.smtp import SMTPProbe
from tests.probes.conftest import Watch, effects, seen
from tests.probes.servers import Mailbox, mail_server


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


def message(to: str = "ann@example.com", body: str = "Hello", **headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", to, "Welcome"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(body)
    return mail


def send(mailbox: Mailbox, *mails: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as server:
        for mail in mails:
            server.send_message(mail)


def test_a_message_is_one_effect_and_one_record(watch: Watch, mailbox: Mailbox) -> None:
    run = watch(lambda: send(mailbox, message()), "A", SMTPProbe())
    assert seen(run) == ['SMTP ann@example.com "Welcome" 250']
    assert watch.recorder.records == [
        Foreign(
            "mail", ("to", "subject", "from", "body"), ("ann@example.com", "Welcome", "shop@example.com", "Hello"), None
        )
    ]
    (effect,) = effects(run)
    assert effect.durable
    assert [touch.resource for touch in effect.touches] == ["mail:ann@example.com"]
    assert effect.site is not None
    assert effect.site.function == "send"


def test_a_message_id_that_the_job_sets_is_its_identity(watch: Watch, mailbox: Mailbox) -> None:
    watch(lambda: send(mailbox, message(Message_ID="<1@example.com>")), "A", SMTPProbe())
    assert watch.recorder.records[0].identity == ("<1@example.com>", "ann@example.com")


def test_a_session_with_several_messages_and_recipients(watch: Watch, mailbox: Mailbox) -> None:
    run = watch(lambda: send(mailbox, message("ann@example.com, bob@example.com"), message()), "A", SMTPProbe())
    assert seen(run) == ['SMTP ann@example.com, bob@example.com "Welcome" 250', 'SMTP ann@example.com "Welcome" 250']


def test_sendmail_with_plain_text_is_seen_too(watch: Watch, mailbox: Mailbox) -> None:
    def job() -> None:
        with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as server:
            server.sendmail("shop@example.com", ["ann@example.com"], "Subject: Hi\n\nHello")

    assert seen(watch(job, "A", SMTPProbe())) == ['SMTP ann@example.com "Hi" 250']


def test_what_boundaries_and_encodings_differ_in_does_not_count(watch: Watch, mailbox: Mailbox) -> None:
    def job() -> None:
        mail = message(body="Grüße")
        mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="invoice.pdf")
        send(mailbox, mail)

    watch(job, "A A", SMTPProbe())
    first, second = watch.recorder.records
    assert first == second
    assert str(first.values[3]).startswith("Grüße\n[invoice.pdf, 4 bytes, ")
    assert mailbox.received[0] != mailbox.received[1]


def test_a_refused_message_is_no_foreign_effect(watch: Watch, mailbox: Mailbox) -> None:
    run = watch(lambda: send(mailbox, message(body="refuse me")), "A", SMTPProbe())
    assert "SMTPDataError" in seen(run)[0]
    assert "SMTPDataError" in run.copies["A"].error
    assert watch.recorder.records == []
    assert not run.trace.events[1].applied


def test_a_worker_killed_before_the_message_sends_nothing(watch: Watch, mailbox: Mailbox) -> None:
    def job() -> None:
        try:
            send(mailbox, message())
        except BaseException:
            send(mailbox, message(body="I died"))
            raise

    watch(job, "A0!kill A", SMTPProbe())
    assert len(mailbox.received) == 1
    assert b"Hello" in mailbox.received[0]


def test_a_lost_reply_was_delivered_all_the_same(watch: Watch, mailbox: Mailbox) -> None:
    watch(lambda: send(mailbox, message()), "A0!lost A", SMTPProbe())
    assert len(mailbox.received) == len(watch.recorder.records) == 2


def test_a_foreign_server_is_refused_before_a_byte_is_sent(watch: Watch) -> None:
    with pytest.raises(ForeignHostError, match=r"mail\.example\.com"):
        watch(lambda: smtplib.SMTP("mail.example.com:25", timeout=1), "A", SMTPProbe())


def test_without_a_check_nothing_is_watched(watch: Watch, mailbox: Mailbox) -> None:
    before = smtplib.SMTP.data, smtplib.SMTP.connect, smtplib.SMTP.mail, smtplib.SMTP.rcpt
    watch(lambda: None, "A", SMTPProbe())
    assert (smtplib.SMTP.data, smtplib.SMTP.connect, smtplib.SMTP.mail, smtplib.SMTP.rcpt) == before
    send(mailbox, message())
    assert watch.recorder.records == []
