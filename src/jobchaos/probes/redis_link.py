"""Link: what the server knows of one connection, and what its client has yet to be told."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes

from jobchaos.core.address import Address
from jobchaos.core.ports import Worker
from jobchaos.probes.redis_protocol import Command

_LEGIBLE = ":.,;-_~!$&'()*+=?#<>[]{}|^ \""


@dataclass(eq=False, slots=True)
class Link:
    """One connection.

    Attributes:
        server: Resource path of the server: `redis:127.0.0.1:6379`.
        access: The server's URL, credentials included; or a fake server, which is in this process.
        db: The number of its database.
        home: The process that the check runs in.
        worker: Who has used it last.
        watched: The resource paths that it watches.
        queued: The commands since MULTI, each with the place of its reply among those that the client has not yet
            read; None outside a transaction.
        replies: What the client is to read next.
        listening: True if messages arrive on it by themselves.
        genuine: True while we use it ourselves.
        socket: What it is connected through.
        owner: The process that has connected it.
    """

    server: str
    access: Any
    db: int
    home: int
    worker: Worker | None = None
    watched: dict[str, None] = field(default_factory=dict)
    queued: list[tuple[Command, int]] | None = None
    replies: deque[Any] = field(default_factory=deque)
    listening: bool = False
    genuine: bool = False
    socket: object = None
    owner: int = field(default_factory=os.getpid)

    @property
    def in_memory(self) -> bool:
        """True if the server is a fake in this process."""
        return not isinstance(self.access, str)

    def address(self, resource: str) -> str:
        """A resource path on its server, with how it is reached; a fake server only can be in its own process."""
        return resource if self.in_memory and self.home != os.getpid() else Address(resource, self.access)

    @property
    def database(self) -> str:
        """Resource path of the database."""
        return f"{self.server}/{self.db}"

    def path(self, key: bytes) -> str:
        """Resource path of a key."""
        return f"{self.database}/{quote_from_bytes(key, _LEGIBLE)}"

    def meet(self, socket: object, db: int) -> None:
        """It is about to be used: if it was connected anew, the server knows nothing of what was before.

        Args:
            socket: What it is connected through now; None if it is not.
            db: The database that it selects when it connects.
        """
        if socket is None or socket is not self.socket:
            self.socket, self.db, self.owner = socket, db, os.getpid()
            self.watched.clear()
            self.replies.clear()
            self.queued, self.listening = None, False
