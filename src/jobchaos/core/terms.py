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
class KeyTerms:
    """How long the key of a message is taken, besides while that waits.

    Attributes:
        while_running: Whether also while a worker has it.
        after_success: Seconds for which it stays taken when the job is done; infinite for ever.
        after_failure: Likewise, when the job was given up.
    """

    while_running: bool = True
    after_success: float = 0.0
    after_failure: float = 0.0


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
        retries: What makes a job be tried again that fails; empty if it is.
        duplicates: What makes it be delivered twice although nobody dies: `a visibility timeout shorter than the task`.
        soft_limit: Seconds after which the job gets `timeout` raised inside; None for never.
        hard_limit: Seconds after which its worker is killed; None for never.
        timeout: What the system raises inside a job whose time is over; None if it raises nothing.
        dead_letter: Where a message ends whose retries are spent: `nowhere: its result is FAILURE`.
        lock: What keeps messages apart: the next one with the same lock comes when the one before is done. Empty for
            none.
        key: How long it refuses a second message with the same key.
        remarks: What else the report must mention.
    """

    system: str
    level: str
    after_kill: AfterKill
    because: str
    setting: str
    duplicates: str
    retries: str = ""
    soft_limit: float | None = None
    hard_limit: float | None = None
    timeout: type[BaseException] | None = None
    dead_letter: str = ""
    lock: str = ""
    key: KeyTerms = KeyTerms()
    remarks: tuple[str, ...] = ()

    @property
    def has_limit(self) -> bool:
        """True if the job gets an exception when its time is over."""
        return self.timeout is not None and self.soft_limit is not None

    def told(self) -> tuple[str, ...]:
        """What a reader must know to judge what was found, one sentence each."""
        replayed = _LEVELS[self.level]
        known = (
            f"{self.system}: each attempt repeats {replayed}",
            f"{self.system}: when a worker is killed, its message {self.after_kill.value} ({self.because})",
            f"{self.system}: after {self.soft_limit:g} s the job gets {self.timeout.__name__}"
            if self.timeout is not None and self.soft_limit is not None
            else "",
            f"{self.system}: a message whose retries are spent ends {self.dead_letter}" if self.dead_letter else "",
            f"{self.system}: jobs with the lock {self.lock!r} {_IN_TURN}" if self.lock else "",
            *(f"{self.system}: {remark}" for remark in self.remarks),
        )
        return tuple(sentence for sentence in known if sentence)

    def makes_real(self, *, killed: bool, code: str) -> str:
        """Which setting makes a finding happen in production.

        Args:
            killed: Whether a worker dies in its schedule.
            code: The finding's code.
        """
        if code == "JC308":
            return f"real when it runs for longer than {self.soft_limit:g} s"
        if code in _NEVER_AGAIN and self.retries:
            return "real today: a job that fails is not tried again"
        if not killed:
            return f"real with {self.duplicates}"
        if self.after_kill is AfterKill.REDELIVERED or code in _GONE:
            return f"real today: {self.because}"
        today = "loses the job" if self.after_kill is AfterKill.LOST else "leaves the job marked as running"
        return f"real with {self.setting}. Today a kill {today}: {self.because}"

    def remedy(self, code: str) -> str:
        """What helps against a finding in this system; empty if that is what helps everywhere."""
        if code in _GONE:
            return f"{self.setting}; or mark the test with {_NO_HARM}"
        return f"let it be tried again: {self.retries}" if code in _NEVER_AGAIN and self.retries else ""


_GONE = ("JC306", "JC307")
_NEVER_AGAIN = ("JC414", "JC504")
_NO_HARM = 'delivery="at-most-once" if a loss does no harm'
_IN_TURN = (
    "run one after the other, unless one is delivered again while its worker is alive, which is tried with "
    'delivery="at-least-once"'
)
_LEVELS = {
    "delivery": "a whole delivery (same id and retry count, callbacks, result)",
    "body": "the job's function, without what the system does around it",
}


def after_kill(terms: Terms | None, delivery: str) -> AfterKill:
    """What becomes of a message whose worker is killed.

    Args:
        terms: Of its job system; None if it has none, and is taken to be delivered at least once.
        delivery: See `Settings.delivery`.
    """
    if delivery == "at-least-once":
        return AfterKill.REDELIVERED
    if delivery == "at-most-once":
        return AfterKill.LOST
    return AfterKill.REDELIVERED if terms is None else terms.after_kill


def lock_of(terms: Terms | None, delivery: str) -> str:
    """What keeps a message apart from others; empty if nothing does.

    Where a message is delivered again while its worker is alive, as the user says, its lock has not helped.

    Args:
        terms: Of its job system; None if it has none.
        delivery: See `Settings.delivery`.
    """
    return "" if terms is None or delivery == "at-least-once" else terms.lock
