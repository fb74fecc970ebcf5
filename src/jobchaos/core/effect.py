"""Effect: one touch of something outside the process, seen at the sink (the statement, the bytes sent)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Mode(enum.Enum):
    """How an effect uses a resource. Two appends commute, everything else but two reads conflicts."""

    READ = "read"
    WRITE = "write"
    APPEND = "append"


@dataclass(frozen=True, slots=True)
class Touch:
    """One resource and how it is used.

    Attributes:
        resource: A path in the tree of resources, widest part first: `sql:/tmp/app.db/users`,
            `mail:ann@example.com`, `http:127.0.0.1:80/POST /charges`, `file:/tmp/out.csv`, `clock`.
        mode: Read, write or append.
    """

    resource: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class Site:
    """Where in the user's code an effect was caused."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a foreign effect leaves with others and nobody can take back: a mail, a request.

    Attributes:
        ledger: The ledger that records it: `mail` or `http`.
        columns: Names of the fields, in order.
        values: The fields.
        identity: Equal identities are one and the same effect at the far end (an idempotency key, a Message-ID that
            the job set); None means that every occurrence counts.
    """

    ledger: str
    columns: tuple[str, ...]
    values: tuple[str | int | bytes | None, ...]
    identity: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect, described before it happens.

    Attributes:
        kind: The probe's noun: `sql`, `mail`, `http`, `file`, `sleep`, `line`.
        label: What happens, in the words of the far side: `UPDATE users SET sent = 1 WHERE id = 1`.
        touches: The resources it uses; empty when it uses none (`BEGIN`).
        durable: True if, once applied, it survives the death of the worker. A statement inside an open transaction
            is not durable; the COMMIT is.
        site: The innermost line of the user's code that caused it, if known.
        foreign: The record it leaves in a ledger, if any.
    """

    kind: str
    label: str
    touches: tuple[Touch, ...] = ()
    durable: bool = False
    site: Site | None = field(default=None)
    foreign: Foreign | None = field(default=None)

    @property
    def writes(self) -> bool:
        """True if it changes anything outside the process, durably or not."""
        return any(touch.mode is not Mode.READ for touch in self.touches)
