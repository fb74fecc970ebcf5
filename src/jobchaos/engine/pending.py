"""PendingEffect: an effect between its step and its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobchaos.core.effect import Effect
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
    """

    __slots__ = ("_amend", "_effect", "_lost", "_worker")

    def __init__(self, worker: Attempt, effect: Effect, lost: Callable[[], Exception] | None) -> None:
        self._worker = worker
        self._effect = effect
        self._lost = lost
        self._amend: Callable[[str], None] | None = None

    def done(self, outcome: str = "") -> None:
        """See `Pending.done`."""
        worker, effect = self._worker, self._effect
        worker.unblock()
        if effect.foreign is not None:
            worker.record(effect.foreign)
        if self._lost is not None:
            error = self._lost()
            worker.note(Happening.EFFECT, effect, f"{outcome} (reply lost: {describe(error)})")
            raise error
        self._amend = worker.note(Happening.EFFECT, effect, outcome)

    def failed(self, error: BaseException) -> None:
        """See `Pending.failed`."""
        self._worker.unblock()
        self._worker.note(Happening.EFFECT, self._effect, describe(error), applied=False)

    def add(self, outcome: str) -> None:
        """See `Pending.add`."""
        if self._amend is not None:
            self._amend(outcome)
