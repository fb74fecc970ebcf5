"""DjangoMailProbe: messages for Django's mail backends that reach no server: locmem, console, dummy and files.

Those of the smtp backend pass `smtplib`, and those of others are seen as requests.
"""

from __future__ import annotations

import dataclasses
import os
import re
import smtplib
import sys
import weakref
from collections.abc import Callable
from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.library import LibraryProbe
from jobchaos.probes.messages import message_effect

_LINE_END = re.compile(rb"\r?\n")


class DjangoMailProbe(LibraryProbe):
    """Makes a step of each message.

    Args:
        backend: The module of the backend.
    """

    def __init__(self, backend: str) -> None:
        super().__init__()
        self.library = f"django.core.mail.backends.{backend}"

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        owner = sys.modules[self.library].EmailBackend
        genuine = owner.send_messages

        def send_messages(backend: Any, messages: Any) -> int | None:
            worker = self.worker()
            if worker is None or not messages:
                return genuine(backend, messages)  # type: ignore[no-any-return]
            return sum(_send(worker, message, lambda each: genuine(backend, [each])) for message in messages)

        self.patches.set(owner, "send_messages", send_messages)


class DjangoMailFileProbe(LibraryProbe):
    """Gives the file backend names that are the same in each run; by itself it takes an address in memory."""

    library = "django.core.mail.backends.filebased"

    def __init__(self) -> None:
        super().__init__()
        self._files: weakref.WeakKeyDictionary[Worker, int] = weakref.WeakKeyDictionary()

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        owner = sys.modules[self.library].EmailBackend
        genuine = owner._get_filename  # noqa: SLF001 - the place where it chooses the name

        def get_filename(backend: Any) -> str:
            worker = self.worker()
            if worker is not None and backend._fname is None:  # noqa: SLF001
                number = self._files[worker] = self._files.get(worker, 0) + 1
                backend._fname = os.path.join(backend.file_path, f"{worker.copy}{worker.attempt}-{number}.log")  # noqa: SLF001
            return genuine(backend)  # type: ignore[no-any-return]

        self.patches.set(owner, "_get_filename", get_filename)


def _send(worker: Worker, message: Any, send: Callable[[Any], int | None]) -> int:
    recipients = message.recipients()
    if not recipients:
        return send(message) or 0
    text = _LINE_END.sub(b"\r\n", message.message().as_bytes())  # how to ask for these differs between Django 5 and 6
    effect = message_effect(message.from_email, recipients, text)
    if effect.foreign is not None and "message-id" not in {name.lower() for name in message.extra_headers}:
        # Django has made it up, anew each time it is asked for the text.
        effect = effect._replace(foreign=dataclasses.replace(effect.foreign, identity=None))
    for touch in effect.touches:
        worker.touch(touch.resource)
    return worker.perform(effect, lambda: send(message) or 0, failure=_failure, outcome=lambda _: "250")


def _failure() -> Exception:
    return smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
