"""CopyState: where one copy stands during a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jobchaos.core.hang import HangPoint
from jobchaos.core.redelivery import carry
from jobchaos.core.result import CopyResult
from jobchaos.core.terms import AfterKill
from jobchaos.engine.outage import Outage
from jobchaos.engine.outcome import Outcome
from jobchaos.engine.standing import Standing
from jobchaos.engine.worker import HiredWorker

_MOST_ASKED = 100  # redeliveries that a job system has decided on until that counts as never coming to an end
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
        fate: Takes its letter, and tells what becomes of its message if its worker is killed now.
        lock: What keeps its message apart from others, that of `Terms`.
        after_kill: What has become of it with the worker that was killed last.
        outage: Which call fails whenever it is tried, in whichever of its attempts.
        is_over: True if its message is never delivered again, unless the schedule says so.
        is_killed: True if its latest worker was killed.
        asked: Redeliveries that its job system has decided on.
        due: Virtual time before which it is not delivered again, in nanoseconds since the epoch.
        message: What its message carries since then.
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
    fate: Callable[[str], AfterKill] = lambda _: AfterKill.REDELIVERED
    lock: str = ""
    after_kill: AfterKill = AfterKill.REDELIVERED
    outage: Outage | None = None
    is_over: bool = False
    is_killed: bool = False
    asked: int = 0
    due: int = 0
    message: object = None

    def is_open(self, budget: int) -> bool:
        """True if it is running, or has to be delivered again and may be (at most `budget` redeliveries)."""
        if self.worker is not None:
            return True
        return not (self.completed or self.is_over) and self.redeliveries - self.asked < budget

    def held_back_by(self, copies: Iterable[CopyState]) -> CopyState | None:
        """Who, of some copies, came before with the same lock and is not done, so that this one stays in its queue."""
        if self.worker is not None or not self.lock:
            return None
        return next(
            (other for other in copies if other is not self and other.lock == self.lock and other.has_lock), None
        )

    @property
    def why_others_wait(self) -> str:
        """Those with the same lock."""
        return f"{self.letter} has the lock {self.lock!r}"

    @property
    def has_lock(self) -> bool:
        """True while it runs or waits to be retried, and for ever if it stays marked as running."""
        if self.worker is not None or (self.is_over and self.is_killed):
            return True
        return self.attempts > 0 and not (self.completed or self.is_over)

    def is_delivered_last(self, budget: int) -> bool:
        """True if its next delivery is its last, and nobody but the schedule has said when that is."""
        return self.worker is None and not self.asked and self.redeliveries == budget

    def delivered(self, body: Callable[[], object]) -> Callable[[], object]:
        """It is delivered once more; return what runs its job, with what its message carries by now."""
        self.attempts += 1
        self.is_over = self.is_killed = False
        if self.outage is not None:
            self.outage.of_attempt = 0
        message, was_done = self.message, self.completed
        if message is None and not was_done:
            return body

        def run() -> object:
            carry(message, was_done=was_done)
            return body()

        return run

    def killed(self) -> None:
        """Its worker was killed."""
        self.is_killed, self.after_kill = True, self.fate(self.letter)
        endless = self.outage is not None and self.outage.is_endless  # it would be so each time
        self.is_over = endless or self.after_kill is not AfterKill.REDELIVERED

    def raised(self, outcome: Outcome, now: int) -> None:
        """Its attempt has raised, at a virtual time."""
        self.is_over = outcome.is_final or self.asked >= _MOST_ASKED
        if outcome.due is not None:
            self.asked += 1
            self.due, self.message = now + outcome.due, outcome.message

    def learn(self, standing: Standing) -> None:
        """Its attempt has moved, and stands there now."""
        self.outage = standing.outage
        self.hung = self.hung or standing.hung
        self.points = tuple(standing.points)

    def served_besides(self, copies: Iterable[CopyState]) -> Iterator[tuple[CopyState, HiredWorker]]:
        """The others, of some copies, that may have been given what this one has freed."""
        for other in copies:
            if other is not self and other.worker is not None and other.worker.standing.served:
                yield other, other.worker

    @property
    def hangs(self) -> bool:
        """True if it waits, without a timeout, for somebody who by the schedule never answers."""
        standing = None if self.worker is None else self.worker.standing
        return bool(standing and standing.hung and standing.blocked_on and standing.deadline is None)

    @property
    def progress(self) -> tuple[int, bool, int, int]:
        """Changes iff the copy got anywhere; reading and sleeping do not count."""
        if self.worker is None:
            return self.attempts, True, 0, 0
        standing = self.worker.standing
        return self.attempts, False, standing.writes, min(standing.answered, _PING_PONG)

    def result(self) -> CopyResult:
        """The value to report."""
        after_kill = self.after_kill if self.is_killed else AfterKill.REDELIVERED
        return CopyResult(self.completed, self.attempts, self.error, self.hung, self.points, after_kill)


def next_deadline(copies: Collection[CopyState], to_come: Sequence[int]) -> int | None:
    """When the first of some blocked copies gives up; None if none ever will, and each has been told so.

    Args:
        copies: All copies.
        to_come: When leases run out, which who waits for one may look at from time to time.
    """
    blocked = [copy for copy in copies if copy.worker is not None]
    standings = [copy.worker.standing for copy in blocked if copy.worker is not None]
    deadlines = [standing.deadline for standing in standings if standing.deadline is not None]
    for copy, standing in zip(blocked, standings, strict=True) if not (deadlines or to_come) else ():
        copy.error = f"waits for ever for {standing.blocked_on}"
    for copy in copies if not (deadlines or to_come) else ():
        holder = copy.held_back_by(copies)
        if holder is not None:
            copy.error = f"waits for ever in its queue: {holder.why_others_wait}"
    return min((*deadlines, *to_come), default=None)
