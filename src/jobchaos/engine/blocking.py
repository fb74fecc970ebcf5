"""Blocking: how an attempt waits for others, and lets others have what it has freed."""

from __future__ import annotations

import abc
from collections.abc import Callable

from jobchaos.core.effect import Effect
from jobchaos.core.trace import Happening
from jobchaos.engine.death import WorkerKilled
from jobchaos.engine.stage import Stage
from jobchaos.engine.standing import Standing
from jobchaos.engine.vessel import Vessel


class Blocking(abc.ABC):
    """A part of `Attempt`."""

    standing: Standing
    _stage: Stage
    _vessel: Vessel

    def wait(self, resource: str, deadline: int | None, *, served: bool = False) -> bool:
        """See `Worker.wait`."""
        standing = self.standing
        if standing.dead:
            raise WorkerKilled
        if deadline is not None and self._stage.clock.now() >= deadline:
            self.note(Happening.TIMED_OUT, None, resource)
            return False
        self.block(resource, deadline)
        standing.served = served
        self._vessel.park()
        return True

    def give_way(self) -> None:
        """See `Worker.give_way`."""
        if not self.standing.dead:
            self.standing.gives_way = True
            self._vessel.park()
            self.standing.gives_way = False

    def block(self, resource: str, deadline: int | None) -> None:
        """Say what this attempt waits for, without parking."""
        standing = self.standing
        if standing.blocked_on != resource:
            self.note(Happening.BLOCKED, None, resource)
        standing.blocked_on, standing.deadline = resource, deadline

    def unblock(self) -> None:
        """See `Worker.unblock`."""
        standing = self.standing
        standing.answered += bool(standing.blocked_on)
        standing.blocked_on, standing.deadline, standing.served = "", None, False

    @abc.abstractmethod
    def note(
        self, happening: Happening, effect: Effect | None, detail: str, *, applied: bool = True
    ) -> Callable[[str], None]:
        """Enter an event of this worker into the trace; return what changes its detail."""
