"""Overlap: two copies of one message at the same time: one is paused, the other runs, and the first goes on.

Only where the state allows: not within a transaction of the test itself, which only one connection can see.
"""

from __future__ import annotations

from typing import Any

from jobchaos.core.adapter import Execution
from jobchaos.core.schedule import Schedule
from jobchaos.engine.worker import ThreadWorker
from jobchaos.probes.django_statements import close_connections
from jobchaos.suite.seen import Recording
from jobchaos.suite.stage import Watch

_GUARD = 2.0  # real seconds for a copy to its next step


class Overlap:
    """Runs two copies, each in a thread of its own.

    Args:
        execution: What is delivered.
        watch: What both are watched by.
        recording: Where it is written down whether they did overlap.
    """

    def __init__(self, execution: Execution, watch: Watch, recording: Recording) -> None:
        self._execution = execution
        self._watch = watch
        self._recording = recording
        self._answers: list[Any] = []

    def follow(self, schedule: Schedule) -> Any:
        """Run them as a schedule such as `A1 B A` says; give what the copy that is ready first has returned.

        Raises:
            BaseException: What both have raised, if neither is ready.
        """
        __tracebackhide__ = True
        first, second = (ThreadWorker(letter, 1, self._body, self._watch) for letter in "AB")
        first.standing.credit = schedule.runs[0].steps
        second.standing.credit = None
        try:
            is_paused = first.move(_GUARD) and first.standing.outcome is None
            overlaps = is_paused and second.move(_GUARD) and second.standing.outcome is not None
            first.standing.credit = None
            first.move(_GUARD)
            if is_paused and not overlaps:
                second.move(_GUARD)  # it has waited for the first one
        finally:
            for worker in (first, second):
                worker.destroy(_GUARD)
        failures = [outcome.failure for outcome in (first.standing.outcome, second.standing.outcome) if outcome]
        errors = [failure.error for failure in failures if failure is not None and failure.error is not None]
        # A database that refuses the second one has done what it should; a queue would deliver that again later.
        failed = errors or any(map(self._execution.failed, self._answers))
        self._recording.fired = overlaps and not failed
        if not self._answers and errors:
            raise errors[0]
        return self._answers[0] if self._answers else None

    def _body(self) -> None:
        try:
            self._answers.append(self._execution.run())
        finally:
            close_connections()
