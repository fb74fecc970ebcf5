"""Terms: on which a job system delivers a job: what a kill does to its message, what is repeated, what limits it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class AfterKill(enum.Enum):
    """What becomes of a message whose worker is killed while it runs the job."""

    REDELIVERED = "is delivered again"
    LOST = "is lost"
    STUCK = "stays where it is, marked as running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one job system does with one job, read from its configuration.

    Attributes:
        system: The system's name, as its users write it: `Celery`.
        level: `delivery` if a redelivery repeats all that the system does for one message (same id, same retry count,
            callbacks, result); `body` if only the user's function is called again.
        after_kill: What becomes of the message when its worker is killed.
        because: The configuration that makes it so: `acks_late is off, so that the message is acknowledged first`.
        setting: What makes a kill be followed by a redelivery: `acks_late=True and reject_on_worker_lost=True`.
        soft_limit: Seconds after which the job gets `timeout` raised inside; None for never.
        hard_limit: Seconds after which its worker is killed; None for never.
        timeout: What the system raises inside a job whose time is over; None if it raises nothing.
        dead_letter: Where a message ends whose retries are spent: `nowhere: its result is FAILURE`.
        remarks: What else the report must mention.
    """

    system: str
    level: str
    after_kill: AfterKill
    because: str
    setting: str
    soft_limit: float | None = None
    hard_limit: float | None = None
    timeout: type[BaseException] | None = None
    dead_letter: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def redelivers(self) -> bool:
        """True if the message of a killed worker is delivered again."""
        return self.after_kill is AfterKill.REDELIVERED
