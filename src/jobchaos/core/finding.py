"""Finding: something wrong, with a code that is stable for ever."""

from __future__ import annotations

from dataclasses import dataclass

from jobchaos.core.diff import Diff
from jobchaos.core.schedule import Schedule
from jobchaos.core.trace import Trace

CODES = {
    "JC101": "duplicate: a foreign effect (mail, request) happens again",
    "JC102": "duplicate: a foreign effect of the single run is missing",
    "JC103": "duplicate: the stored state differs from a single run's",
    "JC104": "duplicate: a delivery never completes",
    "JC201": "concurrent: a foreign effect happens again when two copies overlap",
    "JC202": "concurrent: a foreign effect is missing when two copies overlap",
    "JC203": "concurrent: the stored state differs from a single run's when two copies overlap",
    "JC204": "concurrent: a copy never completes (deadlock, stuck lock)",
    "JC301": "crash: a foreign effect happens again after a crash and redelivery",
    "JC302": "crash: a foreign effect is missing after a crash and redelivery",
    "JC303": "crash: the stored state differs from a single run's after a crash and redelivery",
    "JC304": "crash: the redelivered job never completes",
    "JC501": "retry: a foreign effect happens again after a failed or unanswered call",
    "JC502": "retry: a foreign effect is missing after a failed or unanswered call",
    "JC503": "retry: the stored state differs from a single run's after a failed or unanswered call",
    "JC504": "retry: the job never completes after a failed or unanswered call",
    "JC701": "advice: a redelivery ends in an error although the work is done",
    "JC702": "advice: the job catches BaseException and would go on after being told to die",
    "JC901": "inconclusive: two identical runs differ (uncontrolled nondeterminism)",
    "JC902": "inconclusive: no effect of the job could be seen",
    "JC903": "inconclusive: the job fails without any fault",
    "JC904": "inconclusive: an attempt did not reach its next step within the guard time",
    "JC905": "inconclusive: a touched resource has no store",
    "JC906": "inconclusive: the job starts threads or processes of its own",
    "JC907": "inconclusive: the plan is larger than its budget",
    "JC908": "inconclusive: a failing schedule did not fail again when replayed",
}
"""Every code with its meaning. Codes are never reused or renamed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a job, or that keeps us from claiming anything.

    Attributes:
        code: A key of `CODES`.
        message: One sentence for a tired person.
        schedule: The minimal schedule that shows it; None if no schedule does (advice, inconclusive).
        diff: The state after it against one clean run's.
        trace: What happened under it.
        failing: How many schedules of the same family fail in the same way.
        total: How many schedules the family has.
        nearest: The passing schedule closest to `schedule`, if there is one.
        fix: What usually helps.
        detail: Further text: a traceback, two traces side by side.
        replays: How often it failed again, of how many replays.
    """

    code: str
    message: str
    schedule: Schedule | None = None
    diff: Diff | None = None
    trace: Trace | None = None
    failing: int = 0
    total: int = 0
    nearest: Schedule | None = None
    fix: str = ""
    detail: str = ""
    replays: tuple[int, int] = (0, 0)

    @property
    def gates(self) -> bool:
        """False for advice (JC7xx), which never fails a test."""
        return not self.code.startswith("JC7")

    @property
    def inconclusive(self) -> bool:
        """True for JC9xx: it says what cannot be claimed, not that the job is wrong."""
        return self.code.startswith("JC9")
