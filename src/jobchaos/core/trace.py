"""Trace: what happened in one run, event by event, in the order in which it happened."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobchaos.core.effect import Effect


class Happening(enum.Enum):
    """The kinds of trace events."""

    DELIVERED = "delivered"
    EFFECT = "effect"
    PAUSED = "paused"
    BLOCKED = "blocked"
    TIMED_OUT = "timed out"
    KILLED = "killed"
    RAISED = "raised"
    FINISHED = "finished"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """One event of a run.

    Attributes:
        happening: What kind of event.
        copy: The copy's letter; empty for the passing of time.
        attempt: Which execution of that copy, from 1.
        effect: The effect, for `EFFECT` and for `KILLED`/`PAUSED`/`BLOCKED` (the next one, not applied).
        detail: The effect's outcome (`-> 0`, `250`), the exception's text, or how much time passed.
        at: Virtual time, in nanoseconds since the epoch.
        applied: For `EFFECT`: False if the far side refused it (`detail` tells why) or a fault kept it from happening.
    """

    happening: Happening
    copy: str
    attempt: int
    effect: Effect | None
    detail: str
    at: int
    applied: bool = True


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
