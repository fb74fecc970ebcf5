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
    """

    copy: str
    system: str
    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """The message that a copy is at needs no further delivery.

    Attributes:
        copy: The copy's letter.
        error: What it has failed with, if it was given up.
    """

    copy: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """All messages of a copy were done, and are delivered once more.

    Attributes:
        copy: The copy's letter.
    """

    copy: str
