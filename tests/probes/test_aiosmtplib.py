"""aiosmtplib's messages are those of smtplib, to the last field."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import aiosmtplib
import pytest

from jobchaos.errors import ForeignHostError
from jobchaos.probes.aiosmtplib import AiosmtplibProbe
from jobchaos.probes.smtp import SMTPProbe
from jobchaos.probes.spawn import SpawnProbe
from tests.probes.conftest import Watch, effects, seen
from tests.probes.servers import Mailbox, mail_server


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as server:
        yield server


def message(body: str = "Hello") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", "ann@example.com, bob@example.com", "Welcome"
    mail["Message-ID"] = "<order-7@shop.example>"
    mail.set_content(body)
    return mail


def with_smtplib(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.send_message(message())


def with_aiosmtplib(port: int) -> None:
    asyncio.run(aiosmtplib.send(message(), hostname="127.0.0.1", port=port))


def test_both_are_told_alike(watch: Watch, mailbox: Mailbox) -> None:
    probes = SMTPProbe(), AiosmtplibProbe(), SpawnProbe(watch.bindings)
    one = watch(lambda: with_smtplib(mailbox.port), "A", *probes)
    (record,) = watch.recorder.records
    other = watch(lambda: with_aiosmtplib(mailbox.port), "A", *probes)
    assert seen(one) == seen(other) == ['SMTP ann@example.com, bob@example.com "Welcome" 250']
    assert watch.recorder.records == [record, record]
    assert effects(one)[0].touches == effects(other)[0].touches
    assert one.oddities == other.oddities == ()


def test_a_refused_message_is_no_foreign_effect(watch: Watch, mailbox: Mailbox) -> None:
    def job() -> None:
        asyncio.run(aiosmtplib.send(message("refuse me"), hostname="127.0.0.1", port=mailbox.port))

    run = watch(job, "A", AiosmtplibProbe())
    assert "SMTPDataError" in seen(run)[0]
    assert watch.recorder.records == []


def test_a_foreign_host_is_refused(watch: Watch) -> None:
    def job() -> None:
        asyncio.run(aiosmtplib.send(message(), hostname="mail.example.com", port=25))

    with pytest.raises(ForeignHostError, match=r"mail\.example\.com"):
        watch(job, "A", AiosmtplibProbe())
