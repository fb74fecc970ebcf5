"""Access: who has read or written what, in the order in which others could see it."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from jobchaos.core.effect import Effect, Mode
from jobchaos.core.trace import Happening, Trace

_COMMITTING = re.compile(r"(COMMIT|END|RELEASE)\b", re.IGNORECASE)
_PLAIN_INSERT = re.compile(r"INSERT\s+INTO\b(?!.*(\bON\s+CONFLICT\b|\.\.\.$))", re.IGNORECASE | re.DOTALL)
_UNCOMMITTED = re.compile(r".*\bread_uncommitted\s*(=|\()\s*(1|on|true|yes)\b|.*\bREAD UNCOMMITTED\b", re.IGNORECASE)
_VERBS = {Mode.READ: "reads", Mode.WRITE: "writes", Mode.APPEND: "adds to"}


@dataclass(frozen=True, slots=True)
class Access:
    """One use of one resource by one copy.

    Attributes:
        copy: The copy's letter.
        resource: Path in the tree of resources.
        mode: How it is used.
        at: When others can see it: the position in the trace of the statement, or of the COMMIT that made it last.
        effect: The statement that caused it.
        dirty: For a read: it saw a write of another copy that was not committed.
    """

    copy: str
    resource: str
    mode: Mode
    at: int
    effect: Effect
    dirty: bool = False

    def __str__(self) -> str:
        site = self.effect.site
        where = "" if site is None else f" ({site.short})"
        return f"{self.copy} {_VERBS[self.mode]} {posixpath.basename(self.resource)}{where}"


def overlap(one: str, other: str) -> bool:
    """True if two resources are the same, or one is a part of the other."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def accesses(trace: Trace) -> list[Access]:
    """The accesses of a run, in the order in which they became visible.

    A write inside a transaction is there for others when the transaction commits, and one that is rolled back never
    is. A statement that writes what it reads is one atomic access, a write. Steps between lines, and where a
    coroutine awaits, are left out: nobody knows what they use.
    """
    return _Reading(trace).accesses


class _Reading:
    """One pass over a trace."""

    def __init__(self, trace: Trace) -> None:
        self.accesses: list[Access] = []
        self._open: dict[str, dict[str, Access]] = {}  # copy, resource: what it wrote last, not committed yet
        self._sees_uncommitted: set[str] = set()
        for position, event in enumerate(trace.events):
            if event.happening in (Happening.KILLED, Happening.RAISED):
                self._open.pop(event.copy, None)
            elif event.happening is Happening.EFFECT and event.applied and event.effect is not None:
                self._effect(event.copy, event.effect, position)

    def _effect(self, copy: str, effect: Effect, position: int) -> None:
        if effect.kind in ("line", "await"):
            return
        if effect.kind == "sql" and _UNCOMMITTED.match(effect.label):
            self._sees_uncommitted.add(copy)
        if effect.kind == "sql" and effect.durable and _COMMITTING.match(effect.label):
            self._commit(copy, effect, position)
            return
        written = [touch.resource for touch in effect.touches if touch.mode is not Mode.READ]
        for touch in effect.touches:
            access = Access(copy, touch.resource, _mode(touch.mode, effect), position, effect)
            if touch.mode is not Mode.READ and not effect.durable:
                self._open.setdefault(copy, {})[touch.resource] = access
            elif touch.mode is not Mode.READ:
                self.accesses.append(access)
            elif not any(overlap(touch.resource, resource) for resource in written):
                self._read(access)

    def _commit(self, copy: str, effect: Effect, position: int) -> None:
        statements = self._open.get(copy, {})
        for touch in effect.touches:
            made = statements.pop(touch.resource, None)
            mode, cause = (touch.mode, effect) if made is None else (made.mode, made.effect)
            self.accesses.append(Access(copy, touch.resource, mode, position, cause))

    def _read(self, read: Access) -> None:
        for copy, statements in self._open.items():
            for write in statements.values():
                if copy != read.copy and read.copy in self._sees_uncommitted and overlap(write.resource, read.resource):
                    self.accesses += [write, Access(read.copy, read.resource, Mode.READ, read.at, read.effect, True)]
                    return
        self.accesses.append(read)


def _mode(mode: Mode, effect: Effect) -> Mode:
    """Two plain INSERTs commute as two mails do: neither overwrites the other's row."""
    return Mode.APPEND if mode is Mode.WRITE and _PLAIN_INSERT.match(effect.label) else mode
