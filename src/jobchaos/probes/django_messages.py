"""DjangoMessageProbe: each message handed to a backend that does not speak SMTP, as in tests, is an effect."""

from __future__ import annotations

import functools
import smtplib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from jobchaos.core.effect import Effect, Foreign, Mode, Touch
from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches

_COLUMNS = ("to", "subject", "from", "body")
_BACKENDS = ("locmem", "console", "filebased", "dummy")


class DjangoMessageProbe(BaseProbe):
    """Does nothing unless Django's mail has been imported. What goes to an SMTP server is seen there."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        if "django.core.mail" in sys.modules:
            for backend in _backends():
                self._patches.set(backend, "send_messages", self._sending(vars(backend)["send_messages"]))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def _sending(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def send_messages(backend: Any, messages: Any) -> Any:
            worker = None if self._control is None else self._control.current()
            if worker is None:
                return genuine(backend, messages)
            sent = 0
            for message in list(messages):
                effect = _effect(message)
                for touch in effect.touches:
                    worker.touch(touch.resource)
                sent += worker.perform(effect, functools.partial(genuine, backend, [message]), failure=_failure) or 0
            return sent

        return send_messages


def _backends() -> Iterator[type[Any]]:
    """All classes that send by themselves, without those that call each other."""
    import importlib

    from django.core.mail.backends.base import BaseEmailBackend

    for name in _BACKENDS:
        importlib.import_module(f"django.core.mail.backends.{name}")
    for backend in BaseEmailBackend.__subclasses__():
        if "send_messages" in vars(backend) and backend.__module__ != "django.core.mail.backends.smtp":
            yield backend


def _effect(message: Any) -> Effect:
    recipients = tuple(message.recipients())
    to, subject = ", ".join(recipients), str(message.subject)
    message_id = next((str(value) for name, value in message.extra_headers.items() if name.lower() == "message-id"), "")
    values = (to, subject, str(message.from_email), str(message.body))
    foreign = Foreign("mail", _COLUMNS, values, (message_id, to) if message_id else None)
    touches = tuple(Touch(f"mail:{recipient}", Mode.APPEND) for recipient in recipients)
    return Effect("mail", f'mail {to} "{subject}"', touches, durable=True, foreign=foreign)


def _failure() -> Exception:
    return smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
