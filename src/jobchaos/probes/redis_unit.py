"""Unit: what the server does in one go - a command, or a transaction of several - and what it uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.probes.redis_commands import EVERY_DATABASE, SCRIPTS, Use, patience, uses_of
from jobchaos.probes.redis_link import Link
from jobchaos.probes.redis_protocol import Command, label, name_of
from jobchaos.probes.redis_scripts import Scripts
from jobchaos.probes.redis_time import sets_time


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of work for the server.

    Attributes:
        commands: As the job has sent them, without MULTI and EXEC.
        is_transaction: Whether these were around them.
        uses: What they use.
        keys: The keys among these.
        paths: The resource path of each key.
    """

    commands: tuple[Command, ...]
    is_transaction: bool
    uses: tuple[Use, ...]
    keys: tuple[bytes, ...]
    paths: tuple[str, ...]

    @classmethod
    def of(cls, commands: Sequence[Command], link: Link, scripts: Scripts, *, is_transaction: bool) -> Unit:
        """Look at commands.

        Args:
            commands: See above.
            link: Whose they are.
            scripts: What is known of scripts.
            is_transaction: See above.
        """
        uses = dict.fromkeys(use for command in commands for use in _uses(command, scripts))
        keys = tuple(dict.fromkeys(key for key, _ in uses if key is not None))
        return cls(tuple(commands), is_transaction, tuple(uses), keys, tuple(map(link.path, keys)))

    @property
    def writes(self) -> bool:
        """True if it may change anything that lasts, or sends a message."""
        return any(mode is Mode.WRITE for _, mode in self.uses) or any(map(published, self.commands))

    @property
    def is_wide(self) -> bool:
        """True if it may use keys that it does not name."""
        return any(key is None for key, _ in self.uses)

    @property
    def patience(self) -> float | None:
        """See `redis_commands.patience`; in a transaction nothing waits."""
        return None if self.is_transaction else patience(self.commands[0])

    @property
    def sets_time(self) -> bool:
        """True if it may give a key a time to live."""
        return any(map(sets_time, self.commands))

    def reaches(self, link: Link) -> list[str]:
        """The resources to be announced."""
        return [link.address(resource) for resource in self._reached(link)]

    def _reached(self, link: Link) -> list[str]:
        if any(name_of(command) in EVERY_DATABASE or _is_to_another(command) for command in self.commands):
            return [f"{link.server}/*"]
        if (None, Mode.WRITE) in self.uses:
            return [link.database]
        return [*self.paths, *([f"{link.database}/@keys"] if self.is_wide else [])]

    def effect(self, link: Link) -> Effect:
        """What is about to happen."""
        touches: dict[str, Mode] = {}
        for key, mode in self.uses:
            path = link.database if key is None else link.path(key)
            if touches.get(path) is not Mode.WRITE:
                touches[path] = mode
        if self.is_transaction:
            touches = {**dict.fromkeys(link.watched, Mode.READ), **touches}
        for command in self.commands:
            channel = published(command)
            if channel:
                touches[f"pubsub:{channel[0]}"] = Mode.APPEND
        text = "; ".join(map(label, self.commands))
        text = f"MULTI; {text}; EXEC" if self.is_transaction else text
        return Effect("redis", text, tuple(Touch(*item) for item in touches.items()), durable=self.writes)


def published(command: Command) -> tuple[str, str] | None:
    """Channel and message of a PUBLISH; None for another command."""
    if name_of(command) not in ("PUBLISH", "SPUBLISH") or len(command) != 3:
        return None
    channel, message = (word.decode("utf-8", "backslashreplace") for word in command[1:])
    return channel, message


def _uses(command: Command, scripts: Scripts) -> tuple[Use, ...]:
    if published(command):
        return ()
    return scripts.uses_of(command) if name_of(command) in SCRIPTS and len(command) > 2 else uses_of(command)


def _is_to_another(command: Command) -> bool:
    return name_of(command) == "MOVE" or (name_of(command) == "COPY" and b"DB" in map(bytes.upper, command[3:]))
