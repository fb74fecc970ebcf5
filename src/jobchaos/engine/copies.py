"""CopyState: where one copy stands during a run."""

from __future__ import annotations

from dataclasses import dataclass

from jobchaos.core.hang import HangPoint
from jobchaos.core.result import CopyResult
from jobchaos.engine.worker import HiredWorker

_PING_PONG = 1000  # waits without a write until two copies that only wake each other count as getting nowhere


@dataclass(slots=True)
class CopyState:
    """One message handed to workers, as the runner keeps track of it.

    Attributes:
        letter: The copy's letter.
        worker: Its live attempt, if any.
        attempts: Executions so far.
        redeliveries: How many of them the schedule did not ask for.
        overran: True if it has ended while another copy moved, as it could not be paused where it should have been.
        completed: True once an attempt has finished.
        error: Why the latest attempt did not.
        hung: The wait of an attempt that the schedule has struck.
        points: The waits of the latest attempt, if they were to be noted.
    """

    letter: str
    worker: HiredWorker | None = None
    attempts: int = 0
    redeliveries: int = 0
    overran: bool = False
    completed: bool = False
    error: str = ""
    hung: HangPoint | None = None
    points: tuple[HangPoint, ...] = ()

    def is_open(self, budget: int) -> bool:
        """True if it is running, or has to be delivered again and may be (at most `budget` redeliveries)."""
        return self.worker is not None or (not self.completed and self.redeliveries < budget)

    @property
    def progress(self) -> tuple[int, bool, int, int]:
        """Changes iff the copy got anywhere; reading and sleeping do not count."""
        if self.worker is None:
            return self.attempts, True, 0, 0
        standing = self.worker.standing
        return self.attempts, False, standing.writes, min(standing.answered, _PING_PONG)

    def result(self) -> CopyResult:
        """The value to report."""
        return CopyResult(self.completed, self.attempts, self.error, self.hung, self.points)
