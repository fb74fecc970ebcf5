"""Deliveries: how often one message is delivered in one run of a test, and what its caller gets in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jobchaos.core.schedule import Run, Schedule
from jobchaos.engine.outcome import Failure
from jobchaos.suite.seen import Recording
from jobchaos.suite.stage import Delivery

_MOST = 4  # deliveries after which a task that never gets through counts as given up


class Deliveries:
    """Follows a schedule, and then delivers until the task is done. To be iterated over once.

    Args:
        schedule: How to deliver.
        recording: Where it is written down whether that took place, and what further deliveries have raised.
        failed: Tells of what the task has returned whether that stands for a failure.
    """

    def __init__(self, schedule: Schedule, recording: Recording, failed: Callable[[Any], bool]) -> None:
        self.number = 0
        """Which delivery this is, from 1."""
        self.schedule = schedule
        self.overlap = len(schedule.copies) > 1
        """Whether two copies overlap; then they are no matter of this class."""
        self._runs = list(schedule.runs)
        self._recording = recording
        self._failed = failed
        self._answers: list[Any] = []
        self._failure: Failure | None = None
        self._over = False

    def __iter__(self) -> Iterator[Run]:
        while not self._over:
            self.number += 1
            yield self._runs.pop(0) if self._runs else Run("A")

    def conclude(self, run: Run, worker: Delivery, results: list[Any]) -> None:
        """One delivery has ended.

        Args:
            run: What was to be done.
            worker: Who has done it.
            results: What the task has returned, if it has.
        """
        is_unused = run.fault is not None and worker.standing.fault is not None
        worker.standing.credit = worker.standing.fault = None  # what it has left to be done after a COMMIT may happen
        self._failure = worker.outcome.failure
        self._answers = self._answers or results
        if self._failure is not None and _ends_everything(self._failure.error):
            self._answers.clear()
            self._over = True
        elif run.fault is None and self.number == 1 and (self._failure is not None or any(map(self._failed, results))):
            self._over = True  # it fails without any fault: the test wants that, and a duplicate would mean nothing
        elif is_unused:
            self._over = True  # it ended before
        else:
            self._recording.fired = self._recording.fired or self.number > 1 or run.fault is not None
            if self._failure is not None and run.fault is None:
                self._recording.errors.append(self._failure.text)
            self._over = not self._runs and (bool(self._answers) or self.number > _MOST)

    def answer(self) -> Any:
        """What the first delivery that got through has returned; else raise what the last one has."""
        __tracebackhide__ = True
        if self._answers:
            return self._answers[0]
        if self._failure is not None and self._failure.error is not None:
            raise self._failure.error
        return None


def _ends_everything(error: BaseException | None) -> bool:
    """True for Ctrl-C and its like, which is not for the task, and ends a session."""
    return error is not None and not isinstance(error, Exception | SystemExit)
