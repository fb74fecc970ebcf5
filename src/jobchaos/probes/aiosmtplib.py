"""AiosmtplibProbe: each message that aiosmtplib hands to a server is an effect, as with `smtplib`."""

from __future__ import annotations

import socket
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobchaos.probes.library import LibraryProbe
from jobchaos.probes.messages import message_effect

if TYPE_CHECKING:
    from aiosmtplib import SMTP, SMTPResponse


class AiosmtplibProbe(LibraryProbe):
    """Makes a step of `SMTP.data`: whatever a job calls, its message passes there."""

    library = "aiosmtplib"

    def __init__(self) -> None:
        super().__init__()
        self._envelopes: weakref.WeakKeyDictionary[SMTP, tuple[str, list[str]]] = weakref.WeakKeyDictionary()

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from aiosmtplib import SMTP

        self._watch_connection(SMTP)
        self._watch_envelope(SMTP)
        self._watch_data(SMTP)
        # It asks for them in threads, which would be the job's.
        self._without_thread(SMTP, "_get_default_local_hostname", lambda _server: socket.getfqdn())
        self._without_thread(SMTP, "_get_tls_context", lambda server: server._build_tls_context())  # noqa: SLF001

    def _watch_connection(self, owner: type[SMTP]) -> None:
        genuine = owner._create_connection  # noqa: SLF001 - here it is known where to

        async def create_connection(server: SMTP, *args: Any, **kwargs: Any) -> SMTPResponse:
            if self.control is not None and self.worker() is not None and server.hostname:
                self.control.check_host(server.hostname)
            return await genuine(server, *args, **kwargs)

        self.patches.set(owner, "_create_connection", create_connection)

    def _watch_envelope(self, owner: type[SMTP]) -> None:
        mail, rcpt = owner.mail, owner.rcpt

        async def from_sender(server: SMTP, sender: str, *args: Any, **kwargs: Any) -> SMTPResponse:
            self._envelopes[server] = sender, []
            return await mail(server, sender, *args, **kwargs)

        async def to_recipient(server: SMTP, recipient: str, *args: Any, **kwargs: Any) -> SMTPResponse:
            answer = await rcpt(server, recipient, *args, **kwargs)  # raises if it is refused
            self._envelopes.setdefault(server, ("", []))[1].append(recipient)
            return answer

        self.patches.set(owner, "mail", from_sender)
        self.patches.set(owner, "rcpt", to_recipient)

    def _watch_data(self, owner: type[SMTP]) -> None:
        genuine = owner.data

        async def data(server: SMTP, message: str | bytes, *args: Any, **kwargs: Any) -> SMTPResponse:
            worker = self.worker()
            if worker is None:
                return await genuine(server, message, *args, **kwargs)
            effect = message_effect(*self._envelopes.pop(server, ("", [])), message)
            for touch in effect.touches:
                worker.touch(touch.resource)
            pending = worker.begin(effect, _failure)
            try:
                answer = await genuine(server, message, *args, **kwargs)
            except Exception as error:
                pending.failed(error)
                raise
            pending.done(str(answer.code))
            return answer

        self.patches.set(owner, "data", data)

    def _without_thread(self, owner: type[SMTP], name: str, answer: Callable[[Any], Any]) -> None:
        genuine = vars(owner).get(name)
        if genuine is None:  # older ones do not
            return

        async def at_once(server: SMTP) -> Any:
            return await genuine(server) if self.worker() is None else answer(server)

        self.patches.set(owner, name, at_once)


def _failure() -> Exception:
    from aiosmtplib import SMTPServerDisconnected

    return SMTPServerDisconnected("Connection lost")
