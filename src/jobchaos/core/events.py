"""Events: what a check tells while it runs. Reporters print them; the engine never does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobchaos.core.schedule import Schedule
from jobchaos.core.verdict import Verdict


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """A check begins.

    Attributes:
        job: The job's label.
    """

    job: str


@dataclass(frozen=True, slots=True)
class PlanReady:
    """The schedules of one family are known.

    Attributes:
        job: The job's label.
        family: `duplicate`, `concurrent` or `crash`.
        size: Number of schedules.
    """

    job: str
    family: str
    size: int


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One schedule was run.

    Attributes:
        job: The job's label.
        family: Its family.
        schedule: The schedule.
        passed: False if the state or the progress was wrong.
    """

    job: str
    family: str
    schedule: Schedule
    passed: bool


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """A check ends.

    Attributes:
        verdict: Its result.
    """

    verdict: Verdict


Event = CheckStarted | PlanReady | ScheduleRun | CheckFinished
Listener = Callable[[Event], None]
"""Whoever wants to know; called in the thread that runs the check."""
