"""SMTPProbe: each message handed to an SMTP server is an effect, seen where its text leaves the process."""

from __future__ import annotations

import smtplib
import weakref
from dataclasses import dataclass, field
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.messages import message_effect

_ACCEPTED = 250


@dataclass(slots=True)
class Envelope:
    """Sender and recipients, as told to the server."""

    sender: str = ""
    recipients: list[str] = field(default_factory=list)


class SMTPProbe(BaseProbe):
    """Makes a step of `smtplib.SMTP.data`: whatever a job calls, its message passes there."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._sent: weakref.WeakKeyDictionary[smtplib.SMTP, int] = weakref.WeakKeyDictionary()
        self._envelopes: weakref.WeakKeyDictionary[smtplib.SMTP, Envelope] = weakref.WeakKeyDictionary()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._watch_connect()
        self._watch_envelope()
        self._watch_data()
        self._watch_send()

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def _worker(self) -> Worker | None:
        return None if self._control is None else self._control.current()

    def _watch_connect(self) -> None:
        connect = smtplib.SMTP.connect

        def watched(server: smtplib.SMTP, host: str = "localhost", *args: Any, **kwargs: Any) -> Any:
            if self._control is not None and self._worker() is not None:
                self._control.check_host(_without_port(host))
            return connect(server, host, *args, **kwargs)

        self._patches.set(smtplib.SMTP, "connect", watched)

    def _watch_envelope(self) -> None:
        mail, rcpt = smtplib.SMTP.mail, smtplib.SMTP.rcpt

        def from_sender(server: smtplib.SMTP, sender: str, *args: Any, **kwargs: Any) -> Any:
            self._envelopes[server] = Envelope(sender)
            return mail(server, sender, *args, **kwargs)

        def to_recipient(server: smtplib.SMTP, recipient: str, *args: Any, **kwargs: Any) -> Any:
            answer = rcpt(server, recipient, *args, **kwargs)
            if answer[0] // 10 == _ACCEPTED // 10:  # 250, and 251: will be forwarded
                self._envelopes.setdefault(server, Envelope()).recipients.append(recipient)
            return answer

        self._patches.set(smtplib.SMTP, "mail", from_sender)
        self._patches.set(smtplib.SMTP, "rcpt", to_recipient)

    def _watch_data(self) -> None:
        data = smtplib.SMTP.data

        def watched(server: smtplib.SMTP, message: Any) -> Any:
            worker = self._worker()
            if worker is None:
                return data(server, message)
            envelope = self._envelopes.pop(server, Envelope())
            effect = message_effect(envelope.sender, envelope.recipients, message)
            for touch in effect.touches:
                worker.touch(touch.resource)
            pending = worker.begin(effect, _failure)
            self._sent[server] = 0
            try:
                code, answer = data(server, message)
            except Exception as error:
                pending.failed(error, complete=self._sent.get(server, 0) > 1)  # the command, then the message
                raise
            finally:
                self._sent.pop(server, None)
            if code == _ACCEPTED:
                pending.done(str(code))
            else:
                pending.failed(smtplib.SMTPDataError(code, answer))
            return code, answer

        self._patches.set(smtplib.SMTP, "data", watched)

    def _watch_send(self) -> None:
        send = smtplib.SMTP.send

        def watched(server: smtplib.SMTP, data: Any) -> None:
            if server in self._sent:
                self._sent[server] += 1
            send(server, data)

        self._patches.set(smtplib.SMTP, "send", watched)


def _without_port(host: str) -> str:
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _failure() -> Exception:
    return smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
