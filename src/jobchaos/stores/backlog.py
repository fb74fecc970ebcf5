"""Backlog: the messages that copies have sent and that are to be delivered in their turn; a ledger of all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from jobchaos.core.effect import Foreign
from jobchaos.core.sent import Again, Done, Sent, Underway
from jobchaos.core.snapshot import Row, Snapshot, Table
from jobchaos.stores.ledger import EffectLedger

_COLUMNS = ("copy", "own is done", "task", "arguments")
_MANY = 2


class Entry(NamedTuple):
    """One message of a line.

    Attributes:
        message: The message.
        arguments: Its arguments, as reports show them.
        number: How many others were sent before it, by whichever copy.
    """

    message: Sent
    arguments: str
    number: int


@dataclass(frozen=True, slots=True)
class Line:
    """The messages of one copy, in the order in which they are delivered: its own, then what it has sent.

    Attributes:
        sent: All but its own.
        done: How many are done.
        error: What one of them has failed with that was given up.
        underway: What a worker has of it; None if none has.
        settled: How many of `sent` were done once. If they are delivered again, nobody has sent them anew.
        kept: Until when keys of those that are done stay taken, by their identities.
    """

    sent: tuple[Entry, ...] = ()
    done: int = 0
    error: str = ""
    underway: Underway | None = None
    settled: int = 0
    kept: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """True if all are."""
        return self.done > len(self.sent)

    @property
    def current(self) -> Sent | None:
        """The first that is not done, or the last; None if that is its own."""
        entry = self._entry
        return None if entry is None else entry.message

    @property
    def following(self) -> Sent | None:
        """The one after the current one, if there is one."""
        return self.sent[self.done].message if self.done < len(self.sent) else None

    def advanced(self, done: Done) -> Line:
        """The same line when its current message is done."""
        entry, kept = self._entry, self.kept
        if entry is not None and entry.message.key:
            kept = {**kept, entry.message.identity: done.key_until}
        number = min(self.done, len(self.sent)) + 1
        return replace(
            self,
            done=number,
            error=self.error or done.error,
            underway=None,
            settled=max(self.settled, number - 1),
            kept=kept,
        )

    def refuses(self, message: Sent) -> bool:
        """True if one of its messages has the key of another one that is being sent."""
        if not message.key:
            return False
        if self.kept.get(message.identity, 0) > message.at:
            return True
        current = self.done - 1
        first = max(current, self.settled, 0)
        if first == current and self.underway is not None and not self.underway.has_key:
            first += 1
        return any(entry.message.identity == message.identity for entry in self.sent[first:])

    def keeps_out(self, lock: str, number: int) -> bool:
        """True if a message with a lock must wait: another one with that lock is underway, or was sent before it.

        Args:
            lock: The lock.
            number: How many messages were sent before that one; of a copy's own it is -1.
        """
        if self.underway is not None and self.underway.lock == lock:
            return True
        waiting = self.sent[max(self.done - 1, 0) :]
        return any(entry.message.lock == lock and entry.number < number for entry in waiting)

    @property
    def number(self) -> int:
        """How many messages were sent before the current one; -1 if that is its own."""
        return -1 if self._entry is None else self._entry.number

    @property
    def _entry(self) -> Entry | None:
        position = min(self.done, len(self.sent))
        return self.sent[position - 1] if position else None


class Backlog(EffectLedger):
    """Keeps a `Line` for each copy. What is in a line is judged by what it does, and is part of the state until then.

    Args:
        is_followed: Whether a message can be delivered; one that cannot stays a row, as in other ledgers.
    """

    def __init__(self, is_followed: Callable[[Sent], bool]) -> None:
        super().__init__("queue")
        self._is_followed = is_followed
        self._lines: dict[str, Line] = {}

    def line(self, copy: str) -> Line:
        """Where a copy stands."""
        return self._lines.get(copy, Line())

    def record(self, foreign: Foreign) -> None:
        """See `Ledger.record`. In a forked worker only its own line is up to date: `knows` is asked of others."""
        message = foreign.message
        if isinstance(message, Done):
            self._lines[message.copy] = self.line(message.copy).advanced(message)
        elif isinstance(message, Underway):
            self._lines[message.copy] = replace(self.line(message.copy), underway=message)
        elif isinstance(message, Again):
            self._lines[message.copy] = replace(self.line(message.copy), done=0, underway=None)
        elif message is not None and self._is_followed(message):
            line = self.line(message.copy)
            if not line.refuses(message):
                entry = Entry(message, str(foreign.values[2]), sum(len(line.sent) for line in self._lines.values()))
                self._lines[message.copy] = replace(line, sent=(*line.sent, entry))
        else:
            super().record(foreign)

    def knows(self, foreign: Foreign) -> bool:
        """See `Recognising.knows`: whether the key of a message is taken, or the lock of one that is to be begun."""
        message = foreign.message
        if isinstance(message, Underway):
            number = self.line(message.copy).number
            return any(
                line.keeps_out(message.lock, number) for copy, line in self._lines.items() if copy != message.copy
            )
        is_refused = isinstance(message, Sent) and any(line.refuses(message) for line in self._lines.values())
        return is_refused or super().knows(foreign)

    @property
    def hidden(self) -> tuple[object, ...]:
        """Of each copy: what it has failed with, and the keys that stay taken."""
        return tuple((copy, line.error, tuple(sorted(line.kept))) for copy, line in sorted(self._lines.items()))

    def restore(self) -> None:
        """See `Store.restore`."""
        super().restore()
        self._lines.clear()

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`: of each copy the messages that are not done, the same ones twice at most.

        A job that sends once more whenever its worker dies would else come to a new state each time.
        """
        waiting: Counter[Row] = Counter(
            (copy, min(line.done, 1), entry.message.task, entry.arguments)
            for copy, line in self._lines.items()
            for entry in line.sent[max(line.done - 1, 0) :]
        )
        rows = tuple(row for row, number in waiting.items() for _ in range(min(number, _MANY)))
        return Snapshot({**super().snapshot().tables, "to be delivered": Table(_COLUMNS, rows)})

    def hold(self) -> Any:
        """See `Returnable.hold`."""
        return super().hold(), dict(self._lines)

    def put_back(self, held: Any) -> None:
        """See `Returnable.put_back`."""
        ledger, lines = held
        super().put_back(ledger)
        self._lines = dict(lines)
