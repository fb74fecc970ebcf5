"""CopyState: where one copy stands during a run."""

from __future__ import annotations

from dataclasses import dataclass

from jobchaos.core.result import CopyResult
from jobchaos.engine.worker import ThreadWorker


@dataclass(slots=True)
class CopyState:
    """One message handed to workers, as the runner keeps track of it.

    Attributes:
        letter: The copy's letter.
        worker: Its live attempt, if any.
        attempts: Executions so far.
        redeliveries: How many of them the schedule did not ask for.
        completed: True once an attempt has finished.
        error: Why the latest attempt did not.
    """

    letter: str
    worker: ThreadWorker | None = None
    attempts: int = 0
    redeliveries: int = 0
    completed: bool = False
    error: str = ""

    def is_open(self, budget: int) -> bool:
        """True if it is running, or has to be delivered again and may be (at most `budget` redeliveries)."""
        return self.worker is not None or (not self.completed and self.redeliveries < budget)

    @property
    def progress(self) -> tuple[int, bool, int]:
        """Changes iff the copy got anywhere; reading and sleeping do not count."""
        return self.attempts, self.worker is None, 0 if self.worker is None else self.worker.writes

    def result(self) -> CopyResult:
        """The value to report."""
        return CopyResult(self.completed, self.attempts, self.error)
