"""Trace: what happened in one run, event by event, in the order in which it happened."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from jobchaos.core.effect import Effect


class Happening(enum.Enum):
    """The kinds of trace events."""

    DELIVERED = "delivered"
    EFFECT = "effect"
    PAUSED = "paused"
    BLOCKED = "blocked"
    HELD_BACK = "held back"
    TIMED_OUT = "timed out"
    LEASED = "leased"
    RELEASED = "released"
    DEADLINE = "deadline"
    KILLED = "killed"
    TERMINATED = "terminated"
    RAISED = "raised"
    FINISHED = "finished"
    FLAGGED = "flagged"
    TIME = "time"


class TraceEvent(NamedTuple):
    """One event of a run. A tuple, as thousands are made, and a frozen dataclass takes four times as long.

    Attributes:
        happening: What kind of event.
        copy: The copy's letter; empty for the passing of time.
        attempt: Which execution of that copy, from 1.
        effect: The effect, for `EFFECT` and for `KILLED`/`TERMINATED`/`PAUSED`/`BLOCKED` (the next one, not applied).
        detail: The effect's outcome (`-> 0`, `250`), the exception's text, how much time passed, a lease's name, or
            for `HELD_BACK` the lock of a message that stays in its queue, and who has it.
        at: Virtual time, in nanoseconds since the epoch.
        applied: For `EFFECT`: False if the far side refused it (`detail` tells why) or a fault kept it from happening.
        changed: For `EFFECT`: False if it has surely changed nothing, and was as good as a read.
        until: For `LEASED` and `DEADLINE`: the moment to come, in nanoseconds since the epoch.
    """

    happening: Happening
    copy: str
    attempt: int
    effect: Effect | None
    detail: str
    at: int
    applied: bool = True
    changed: bool = True
    until: int = 0

    def amended(self, detail: str) -> TraceEvent:
        """The same event with another detail."""
        return TraceEvent(*self[:4], detail, *self[5:])


@dataclass(frozen=True, slots=True)
class Trace:
    """All events of one run."""

    events: tuple[TraceEvent, ...]

    def effects(self, copy: str | None = None) -> tuple[Effect, ...]:
        """The effects that were tried, one a step, of one copy or of all."""
        return tuple(
            event.effect
            for event in self.events
            if event.happening is Happening.EFFECT and event.effect is not None and (copy is None or event.copy == copy)
        )

    @property
    def duration(self) -> int:
        """Virtual nanoseconds from its first event to its last."""
        return self.events[-1].at - self.events[0].at if self.events else 0

    def repeats(self) -> bool:
        """True if a copy was delivered again after it had finished."""
        finished: set[str] = set()
        for event in self.events:
            if event.happening is Happening.DELIVERED and event.copy in finished:
                return True
            if event.happening is Happening.FINISHED:
                finished.add(event.copy)
        return False
