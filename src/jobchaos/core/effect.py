"""Effect: one touch of something outside the process, seen at the sink (the statement, the bytes sent)."""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from jobchaos.core.sent import Again, Done, Sent, Underway

HELD = "/@held"
"""Ends the resource path of a lock that a worker keeps from one effect to the next."""

PRIVATE = "temporary:"
"""Begins the resource path of what goes with its attempt, and which no other can know the name of."""


class Mode(enum.Enum):
    """How an effect uses a resource. Two appends commute, everything else but two reads conflicts."""

    READ = "read"
    WRITE = "write"
    APPEND = "append"

    __hash__ = object.__hash__  # Enum's own is written in Python, and touches are keys of hot caches


class Touch(NamedTuple):
    """One resource and how it is used. A tuple, as it is hashed often.

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

    @property
    def short(self) -> str:
        """Without the folder: `jobs.py:12`."""
        return f"{posixpath.basename(self.file)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a foreign effect leaves with others and nobody can take back: a mail, a request.

    Attributes:
        ledger: The ledger that records it: `mail`, `http` or `queue`.
        columns: Names of the fields, in order.
        values: The fields.
        identity: Equal identities are one and the same effect at the far end (an idempotency key, a Message-ID that
            the job set); None means that every occurrence counts.
        message: Of a message to a queue that is followed: what its receiver is to be handed. No part of its value.
        answer: Of a request that a fake answers: what it has answered. No part of its value either.
    """

    ledger: str
    columns: tuple[str, ...]
    values: tuple[str | int | bytes | None, ...]
    identity: tuple[str, ...] | None = None
    message: Sent | Underway | Done | Again | None = field(default=None, compare=False, repr=False)
    answer: bytes = field(default=b"", compare=False, repr=False)


QUEUE_LOCK = "queue:@lock/"
"""Begins the resource path of a lock that a queue itself keeps for the messages that have it."""


def lock_resource(lock: str) -> str:
    """The resource that is held by a message that keeps apart from others with the same lock."""
    return f"{QUEUE_LOCK}{lock}"


def key_resource(key: str) -> str:
    """The resource that a message touches which is refused if there is one with the same key."""
    return f"queue:@key/{key}"


class Effect(NamedTuple):
    """One effect, described before it happens. A tuple for the same reason as `TraceEvent`.

    Attributes:
        kind: The probe's noun: `sql`, `mail`, `http`, `file`, `sleep`, `line`.
        label: What happens, in the words of the far side: `UPDATE users SET sent = 1 WHERE id = 1`.
        touches: The resources it uses; empty when it uses none (`BEGIN`).
        durable: True if, once applied, it survives the death of the worker. A statement inside an open transaction
            is not durable; the COMMIT is.
        site: The innermost line of the user's code that caused it, if known.
        foreign: The record it leaves in a ledger, if any.
        locks: What its order depends on besides the data it touches: the locks that it takes or is made under. They
            count for independence only, and change nothing outside.
        held: Resource paths of the locks that its worker keeps at the very moment, for advice.
    """

    kind: str
    label: str
    touches: tuple[Touch, ...] = ()
    durable: bool = False
    site: Site | None = None
    foreign: Foreign | None = None
    locks: tuple[Touch, ...] = ()
    held: tuple[str, ...] = ()

    def at(self, site: Site | None) -> Effect:
        """The same effect with a call site."""
        # Not by _replace, which takes three times as long: this is a hot path.
        return Effect(self.kind, self.label, self.touches, self.durable, site, self.foreign, self.locks)

    def under(self, locks: Iterable[str], held: Iterable[str] = ()) -> Effect:
        """The same effect, made while its worker keeps locks, or after it has: resource paths such as `lock:state`.

        Args:
            locks: Those that it has kept at any time since its last effect.
            held: Those of them that it keeps now.
        """
        met = tuple([Touch(f"{lock}{HELD}", Mode.WRITE) for lock in locks])
        kind, label, touches, durable, site, foreign, own, _ = self
        return Effect(kind, label, touches, durable, site, foreign, own + met, tuple(held))

    def in_vain(self) -> Effect:
        """The same effect, if it has turned out to change nothing: all it has done is to look."""
        kind, label, touches, _, site, foreign, locks, held = self
        looked_at = tuple([Touch(touch.resource, Mode.READ) for touch in touches])
        return Effect(kind, label, looked_at, False, site, foreign, locks, held)

    @property
    def is_private(self) -> bool:
        """True if it touches nothing but what goes with its attempt."""
        return bool(self.touches) and all(touch.resource.startswith(PRIVATE) for touch in self.touches)

    @property
    def writes(self) -> bool:
        """True if it changes anything outside the process, durably or not."""
        for touch in self.touches:  # noqa: SIM110 - a generator takes three times as long, and this is a hot path
            if touch.mode is not Mode.READ:
                return True
        return False
