"""Backlog: the messages that copies have sent and that are to be delivered in their turn; a ledger of all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from jobchaos.core.effect import Foreign
from jobchaos.core.sent import Again, Done, Sent
from jobchaos.core.snapshot import Row, Snapshot, Table
from jobchaos.stores.ledger import EffectLedger

_COLUMNS = ("copy", "own is done", "task", "arguments")
_MANY = 2


@dataclass(frozen=True, slots=True)
class Line:
    """The messages of one copy, in the order in which they are delivered: its own, then what it has sent.

    Attributes:
        sent: All but its own.
        done: How many are done.
        error: What one of them has failed with that was given up.
    """

    sent: tuple[tuple[Sent, str], ...] = ()
    done: int = 0
    error: str = ""

    @property
    def is_done(self) -> bool:
        """True if all are."""
        return self.done > len(self.sent)

    @property
    def current(self) -> Sent | None:
        """The first that is not done, or the last; None if that is its own."""
        position = min(self.done, len(self.sent))
        return self.sent[position - 1][0] if position else None

    @property
    def following(self) -> Sent | None:
        """The one after the current one, if there is one."""
        return self.sent[self.done][0] if self.done < len(self.sent) else None


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
        """See `Ledger.record`."""
        message = foreign.message
        if isinstance(message, Done):
            line = self.line(message.copy)
            done = min(line.done, len(line.sent)) + 1
            self._lines[message.copy] = replace(line, done=done, error=line.error or message.error)
        elif isinstance(message, Again):
            self._lines[message.copy] = replace(self.line(message.copy), done=0)
        elif message is not None and self._is_followed(message):
            if self.is_news(foreign):
                line = self.line(message.copy)
                self._lines[message.copy] = replace(line, sent=(*line.sent, (message, str(foreign.values[2]))))
        else:
            super().record(foreign)

    def restore(self) -> None:
        """See `Store.restore`."""
        super().restore()
        self._lines.clear()

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`: of each copy the messages that are not done, the same ones twice at most.

        A job that sends once more whenever its worker dies would else come to a new state each time.
        """
        waiting: Counter[Row] = Counter(
            (copy, min(line.done, 1), sent.task, arguments)
            for copy, line in self._lines.items()
            for sent, arguments in line.sent[max(line.done - 1, 0) :]
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
