"""Crowd: many copies at once, all of which wait at the same time; what one sleeps, the others live through, too."""

from __future__ import annotations

from jobchaos.core.schedule import Schedule
from jobchaos.engine.copies import CopyState, next_deadline
from jobchaos.engine.runner import Runner

_REDELIVERY = 10**9  # ns


class CrowdRunner(Runner):
    """Delivers copies at the moment that the schedule says, and lets time pass only when none of them can move."""

    redelivery = 0

    def _begin(self, schedule: Schedule, *, perturbed: int) -> None:
        super()._begin(schedule, perturbed=perturbed)
        self._stage.begin(fails=True, late=False, shares_time=True)

    def _finish(self) -> None:
        while not self._stuck:
            unfinished = [copy for copy in self._copies.values() if copy.is_open(self._budget)]
            if not unfinished:
                return
            now = self._stage.clock.now()
            moved = False
            for copy in unfinished:
                may_begin = copy.due <= now and copy.held_back_by(self._copies.values()) is None
                if copy.worker is not None or may_begin:
                    moved |= self._move(copy)
                if self._stuck:
                    return
            if not moved and not self._let_time_pass(unfinished):
                return

    def _move(self, copy: CopyState) -> bool:
        before = copy.progress
        copy.redeliveries += copy.worker is None
        self._drive(copy, copy.worker or self._deliver(copy), None, None)
        now = self._stage.clock.now()
        if copy.worker is None and not copy.completed and copy.due <= now:
            copy.due = now + _REDELIVERY
        return copy.progress != before

    def _let_time_pass(self, unfinished: list[CopyState]) -> bool:
        """Until the next delivery, or until the first of those who wait; False if nothing is to come."""
        now = self._stage.clock.now()
        due = [copy.due for copy in unfinished if copy.worker is None and copy.due > now]
        deadline = next_deadline(self._copies.values(), self._stage.moments_to_come)
        moments = due if deadline is None else [*due, deadline]
        if not moments:
            return False
        self._pass_time(max(0, min(moments) - now))
        return True
