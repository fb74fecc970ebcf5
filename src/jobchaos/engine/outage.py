"""Outage: a call that fails, and fails again whenever it is tried again, in whichever attempt."""

from __future__ import annotations

from dataclasses import dataclass

from jobchaos.core.call import Call
from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Fault, Run

_TIRELESS = 1000  # tries in one attempt until it counts as one that never gives up


@dataclass(slots=True)
class Outage:
    """What is out, and for how long. It travels with the baton, and from one attempt of a copy to the next.

    Attributes:
        tries: How many tries fail in all; 0 for all of them.
        fatal: Which of the policy's fatal errors each try raises, from 1; 0 for the driver's own error.
        late: Whether retries come as late as their jitter allows.
        call: What is out; None until the first try.
        failed: How many tries have failed.
        of_attempt: How many of them in the present attempt.
    """

    tries: int = 1
    fatal: int = 0
    late: bool = False
    call: Call | None = None
    failed: int = 0
    of_attempt: int = 0

    @classmethod
    def of(cls, segment: Run) -> Outage:
        """What a segment of a schedule asks for."""
        if segment.fault is Fault.FATAL:
            return cls(tries=0, fatal=segment.count or 1, late=segment.late)
        return cls(tries=segment.count, late=segment.late)

    def begin(self, effect: Effect) -> None:
        """From now on, this call is out."""
        self.call = Call.of(effect)

    def strikes(self, effect: Effect) -> bool:
        """True if this try fails; it is counted."""
        if self.call is None or (self.tries and self.failed >= self.tries) or Call.of(effect) != self.call:
            return False
        self.failed += 1
        self.of_attempt += 1
        return True

    @property
    def is_endless(self) -> bool:
        """True if the attempt has tried so often that it will never give up."""
        return self.of_attempt > _TIRELESS
