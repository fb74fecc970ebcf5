"""RunResult: what came of running one schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobchaos.core.compare import Fresh
from jobchaos.core.hang import HangPoint
from jobchaos.core.schedule import Schedule
from jobchaos.core.snapshot import State
from jobchaos.core.terms import AfterKill
from jobchaos.core.trace import Trace


@dataclass(frozen=True, slots=True)
class CopyResult:
    """How one copy fared.

    Attributes:
        completed: True if one of its attempts finished.
        attempts: How many executions it had.
        error: The text of its last attempt's exception, if the copy was given up; `waits for ever for X` if stuck.
        hung: The wait that the schedule has struck, if it has.
        points: All waits that could be struck, if they were looked for.
        after_kill: What has become of its message with the worker that was killed last.
    """

    completed: bool
    attempts: int
    error: str
    hung: HangPoint | None = None
    points: tuple[HangPoint, ...] = ()
    after_kill: AfterKill = AfterKill.REDELIVERED


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run of one schedule.

    Attributes:
        schedule: What was run.
        trace: What happened.
        state: The content of all stores afterwards.
        copies: Letter to result.
        fresh: The random values that were handed out.
        carried_out: False if an attempt ended before the step at which the schedule wanted to pause it or to interfere.
        stuck: Where an attempt stayed without a step until the guard time was over; empty if none did.
        oddities: `(code, message)` of what the verdict must mention.
        read_clock: True if the job looked at the time.
        used_random: True if the job drew random values.
        read_attempt: True if the job asked which attempt it is.
    """

    schedule: Schedule
    trace: Trace
    state: State
    copies: Mapping[str, CopyResult]
    fresh: Fresh
    carried_out: bool
    stuck: str
    oddities: tuple[tuple[str, str], ...]
    read_clock: bool
    used_random: bool
    read_attempt: bool = False

    @property
    def completed(self) -> bool:
        """True if every copy did."""
        return all(copy.completed for copy in self.copies.values())
