"""Messages: what a mail is as an effect, whichever library sends it."""

from __future__ import annotations

import email
import email.policy
import hashlib
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any

from jobchaos.core.effect import Effect, Foreign, Mode, Touch

_COLUMNS = ("to", "subject", "from", "body")


def message_effect(sender: str, recipients: Sequence[str], text: str | bytes) -> Effect:
    """A message on its way.

    Args:
        sender: As told to the server.
        recipients: Likewise.
        text: The message with its headers.
    """
    raw = text.encode("ascii", "surrogateescape") if isinstance(text, str) else text
    message = email.message_from_bytes(raw, policy=email.policy.default)
    to = ", ".join(recipients)
    subject, message_id = (str(message.get(name, "")).strip() for name in ("Subject", "Message-ID"))
    foreign = Foreign("mail", _COLUMNS, (to, subject, sender, _body(message)), _identity(message_id, to))
    touches = tuple(Touch(f"mail:{recipient}", Mode.APPEND) for recipient in recipients)
    return Effect("mail", f'SMTP {to} "{subject}"', touches, durable=True, foreign=foreign)


def _identity(message_id: str, to: str) -> tuple[str, ...] | None:
    return (message_id, to) if message_id else None


def _body(message: EmailMessage) -> str:
    """The texts, and what else is attached. Boundaries and encodings are chosen anew each time, and mean nothing."""
    return "\n".join(_part(part) for part in message.walk() if not part.is_multipart())


def _part(part: Any) -> str:
    if part.get_content_maintype() == "text":
        try:
            return str(part.get_content()).strip()
        except (LookupError, UnicodeError):
            pass  # a charset that Python does not know
    content = part.get_payload(decode=True) or b""
    digest = hashlib.blake2b(content, digest_size=8).hexdigest()
    return f"[{part.get_filename() or part.get_content_type()}, {len(content)} bytes, {digest}]"
