"""PendingEffect: an effect between its step and its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobchaos.core.effect import Effect
from jobchaos.core.hang import Hang
from jobchaos.core.trace import Happening
from jobchaos.engine.outcome import describe

if TYPE_CHECKING:
    from jobchaos.engine.attempt import Attempt


class PendingEffect:
    """One effect that was let through.

    Args:
        worker: Who caused it.
        effect: What it is.
        lost: Makes the driver's error if the effect is applied but its reply gets lost; None if the reply arrives.
        late: How the call ends if it is applied and its answer comes after the timeout; None if it comes in time.
    """

    __slots__ = ("_amend", "_effect", "_late", "_lost", "_worker")

    def __init__(
        self, worker: Attempt, effect: Effect, lost: Callable[[], Exception] | None, late: Hang | None = None
    ) -> None:
        self._worker = worker
        self._effect = effect
        self._lost = lost
        self._late = late
        self._amend: Callable[[str], None] | None = None

    @property
    def is_silent(self) -> bool:
        """See `Pending.is_silent`."""
        return self._worker.waits.is_silent

    def done(self, outcome: str = "", *, changed: bool = True) -> None:
        """See `Pending.done`."""
        worker, effect = self._worker, self._effect
        worker.unblock()
        if effect.foreign is not None:
            worker.record(effect.foreign)
        if self._late is not None:
            self._too_late(outcome, self._late)
        worker.waits.ended()
        if self._lost is not None:
            error = self._lost()
            worker.note(Happening.EFFECT, effect, f"{outcome} (reply lost: {describe(error)})")
            raise error
        self._amend = worker.note(Happening.EFFECT, effect, outcome, changed=changed)

    def failed(self, error: BaseException, *, complete: bool = True, changed: bool = True) -> bool:
        """See `Pending.failed`."""
        worker, effect = self._worker, self._effect
        is_late = worker.waits.is_late and complete
        worker.unblock()
        if is_late and effect.foreign is not None:
            worker.record(effect.foreign)
        told = worker.waits.told(describe(error), applied=is_late)
        worker.note(Happening.EFFECT, effect, told, applied=is_late, changed=changed or is_late)
        worker.waits.ended()
        return is_late

    def _too_late(self, outcome: str, late: Hang) -> None:
        """It is applied, and the one who waits for the answer gives up."""
        waits = self._worker.waits
        try:
            waits.time_out(late)
        finally:
            self._worker.note(Happening.EFFECT, self._effect, waits.told(outcome, applied=True))
            waits.ended()

    def add(self, outcome: str) -> None:
        """See `Pending.add`."""
        if self._amend is not None:
            self._amend(outcome)
