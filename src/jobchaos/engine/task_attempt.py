"""TaskAttempt: one execution of one copy that awaits, in an event loop where others do."""

from __future__ import annotations

from collections.abc import Callable

from jobchaos.core.effect import Effect
from jobchaos.core.hang import Hang
from jobchaos.engine.attempt import Attempt
from jobchaos.engine.pending import PendingEffect
from jobchaos.engine.stage import Stage
from jobchaos.engine.vessel import Vessel

_POLLS = 20  # awaits without any other effect until a copy counts as waiting for another one
_ENDLESS = 500  # likewise, until it counts as an endless loop


class TaskAttempt(Attempt):
    """An attempt that can be paused where it awaits, and nowhere else."""

    def __init__(self, copy: str, attempt: int, stage: Stage, vessel: Vessel) -> None:
        super().__init__(copy, attempt, stage, vessel)
        self._awaits = 0
        self.latest = ""
        """Where it awaited last."""
        self._awaited: list[PendingEffect] = []

    def begin(
        self, effect: Effect, failure: Callable[[], Exception], hang: Callable[[], Hang] | None = None
    ) -> PendingEffect:
        """See `Worker.begin`."""
        self.go_on()
        return super().begin(effect, failure, hang)

    @property
    def is_polling(self) -> bool:
        """True from time to time, if it does nothing but await."""
        return self._awaits > 0 and self._awaits % _POLLS == 0

    def begin_await(self, effect: Effect) -> None:
        """As `begin`. It is over when the task goes on, or another step begins."""
        self._awaited.append(self.begin(effect, _failure))
        self.latest = effect.label

    def go_on(self) -> None:
        """What was awaited has come."""
        while self._awaited:
            self._awaited.pop().done()
        self.unblock()

    def _count_idling(self, effect: Effect) -> None:
        # Not by sleeping in synchronous code: nobody else can move then.
        self._awaits = self._awaits + 1 if effect.kind == "await" else 0
        if self._awaits > _ENDLESS:
            self.perish(effect, f"awaits more than {_ENDLESS} times without any other effect: an endless loop?")


def _failure() -> Exception:
    return RuntimeError("injected by jobchaos")
