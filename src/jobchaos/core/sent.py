"""Sent: messages that a job has sent, so that they can be delivered in their turn; and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sent:
    """One message, in parts that can be told to another process.

    Attributes:
        copy: The letter of the copy that has sent it.
        system: The job system's name, as its adapter has it.
        task: The task's name, as the system has registered it.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        options: What else the system's adapter needs to deliver it.
        key: What the system recognises a second one by, and refuses it; empty if it does not.
        lock: What keeps it apart from others; see `Terms.lock`.
        at: Virtual time at which it is sent, in nanoseconds since the epoch.
    """

    copy: str
    system: str
    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    lock: str = ""
    at: int = 0

    @property
    def identity(self) -> tuple[str, str]:
        """What is the same in two messages of which the system refuses the second."""
        return self.system, self.key


@dataclass(frozen=True, slots=True)
class Underway:
    """A worker has the message that a copy is at, or has had it: then it waits to be retried.

    Attributes:
        copy: The copy's letter.
        lock: What keeps others out meanwhile; empty for nothing.
        has_key: Whether a second one with its key is refused meanwhile.
    """

    copy: str
    lock: str = ""
    has_key: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """The message that a copy is at needs no further delivery.

    Attributes:
        copy: The copy's letter.
        error: What it has failed with, if it was given up.
        key_until: Virtual time until which its key stays taken, in nanoseconds since the epoch.
    """

    copy: str
    error: str = ""
    key_until: float = 0


@dataclass(frozen=True, slots=True)
class Again:
    """All messages of a copy were done, and are delivered once more.

    Attributes:
        copy: The copy's letter.
    """

    copy: str
