"""Progress: one line that tells how far a check is, and goes away at its end."""

from __future__ import annotations

from collections.abc import Callable

from jobchaos.core.events import CheckFinished, Event, PlanReady, ScheduleRun
from jobchaos.report.shown import one_line

_WIDTH = 79
_JOB = 50


class Progress:
    """A listener that rewrites one line of the terminal. It looks at counts only, never at a clock.

    Args:
        write: Writes to the terminal at once.
        every: Show every so many schedules.
    """

    def __init__(self, write: Callable[[str], None], every: int = 10) -> None:
        self._write = write
        self._every = every
        self._size = 0
        self._count = 0
        self._what = ("", "")
        self._shown = ""

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, PlanReady):
            if (event.job, event.family) != self._what:
                self._what, self._count = (event.job, event.family), 0
            self._size = event.size  # more become known on the way
            self._show(event.job, event.family)
        elif isinstance(event, ScheduleRun):
            self._count += 1
            if self._count <= self._size and self._count % self._every == 0:  # replays come on top of the plan
                self._show(event.job, event.family)
        elif isinstance(event, CheckFinished):
            self._replace("")

    def _show(self, job: str, family: str) -> None:
        self._replace(f"  {one_line(job, _JOB)}  {family} {self._count}/{self._size}"[:_WIDTH])

    def _replace(self, line: str) -> None:
        if line != self._shown:
            self._write(f"\r{line:<{len(self._shown)}}" + ("" if line else "\r"))
            self._shown = line
