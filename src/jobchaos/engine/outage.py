"""Outage: a call that fails, and fails again whenever it is tried again, in whichever attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jobchaos.core.call import Call
from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Fault, Run
from jobchaos.core.trace import Happening
from jobchaos.engine.outcome import describe

_TIRELESS = 500  # tries in one attempt until it counts as one that never gives up


class Trying(Protocol):
    """An attempt that tries a call."""

    idle: int
    """How often it has slept since it did anything else."""

    def perish(self, effect: Effect, why: str) -> None:
        """It dies here."""

    def note(self, happening: Happening, effect: Effect | None, detail: str, *, applied: bool = True) -> object:
        """Enter what happens to it into the trace."""


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

    def meet(
        self,
        effect: Effect,
        failure: Callable[[], BaseException],
        attempt: Trying,
        fatal: Sequence[type[BaseException]],
    ) -> None:
        """Let a try of the call fail, if this is one.

        Args:
            effect: What is about to happen.
            failure: Makes the driver's own error.
            attempt: Who tries.
            fatal: The errors that must not be retried.
        """
        if not self.strikes(effect):
            return
        if self.is_endless:
            attempt.perish(effect, f"tries it more than {_TIRELESS} times in one delivery: it never gives up")
        error = _made(fatal[self.fatal - 1]) if self.fatal else failure()
        attempt.idle = 0  # who is still trying is not waiting for others
        attempt.note(Happening.EFFECT, effect, f"{describe(error)} (not applied)", applied=False)
        raise error

    @property
    def is_endless(self) -> bool:
        """True if the attempt has tried so often that it will never give up."""
        return self.of_attempt > _TIRELESS


def _made(kind: type[BaseException]) -> BaseException:
    try:
        return kind("injected by jobchaos")
    except Exception:  # noqa: BLE001 - a class of the user's wants other arguments
        return kind.__new__(kind)
