"""Turns: a worker waits for its turn in the schedule, and for threads that no schedule controls in real time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jobchaos.core.conditions import Clock
from jobchaos.core.ports import Worker
from jobchaos.probes.bystanders import Bystanders

_SECOND = 10**9
_MOMENT = 0.01  # real seconds for which a thread that is not parked may hold a lock


class Turns:
    """How workers wait for locks, conditions and threads in one check.

    Args:
        clock: Virtual time.
    """

    def __init__(self, clock: Clock) -> None:
        self.bystanders = Bystanders()
        self._clock = clock

    def deadline(self, seconds: float | None) -> int | None:
        """When so much virtual time is over; None if it never is."""
        return None if seconds is None else self._clock.now() + round(max(seconds, 0) * _SECOND)

    def until(
        self,
        worker: Worker,
        attempt: Callable[[float], bool],
        resource: str,
        deadline: int | None = None,
        *,
        thread: threading.Thread | None = None,
        is_kept: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait until an attempt succeeds.

        Args:
            worker: Who waits.
            attempt: Is told how many real seconds it may take.
            resource: What is waited for.
            deadline: Virtual nanoseconds at which to give up; None for never.
            thread: The only bystander who can end it; None for any.
            is_kept: Whether it is another worker who can end it, and no bystander.

        Returns:
            False at the deadline.
        """
        others_moved = False
        while not attempt(0):
            may_look = others_moved and not (is_kept() or self._has_come(deadline))
            if may_look and self.bystanders.end(attempt, thread):
                break
            if not worker.wait(resource, deadline):
                worker.unblock()
                return False
            others_moved = True
        worker.unblock()
        return True

    def _has_come(self, deadline: int | None) -> bool:
        return deadline is not None and self._clock.now() >= deadline


def at_once(attempt: Callable[[float], bool]) -> bool:
    """True if an attempt succeeds within the moment for which a thread that is at work keeps a lock."""
    return attempt(0) or attempt(_MOMENT)
