"""ThreadWorker: one attempt in a thread of its own; and what the runner asks of any worker."""

from __future__ import annotations

import abc
import contextvars
from collections.abc import Callable
from typing import Any, Protocol

from jobchaos.core.effect import Site
from jobchaos.core.ports import Volatile
from jobchaos.engine.attempt import Attempt
from jobchaos.engine.death import WorkerKilled
from jobchaos.engine.interrupts import interrupt
from jobchaos.engine.outcome import Outcome, describe
from jobchaos.engine.stage import Stage
from jobchaos.engine.standing import Standing
from jobchaos.engine.strand import Strand
from jobchaos.errors import InternalError


class HiredWorker(Protocol):
    """One attempt, as the runner sees it."""

    @property
    def copy(self) -> str:
        """The copy's letter."""

    @property
    def attempt(self) -> int:
        """Which execution of the copy this is, from 1."""

    @property
    def standing(self) -> Standing:
        """Where it stands. The runner sets credit and fault before it lets the worker move."""

    def move(self, guard: float) -> bool:
        """Lend it the baton until it parks, blocks or ends.

        Returns:
            False if it does none of these within `guard` seconds of real time.
        """

    def destroy(self, guard: float) -> bool:
        """End an unfinished one from outside: parked, blocked or running wild.

        Returns:
            False if that was not possible within about `guard` seconds, and it stays behind.
        """

    def bury(self) -> None:
        """It has been killed by the schedule: do what death itself would do."""

    @property
    def position(self) -> Site | None:
        """Where in the project's code it is now, as seen from outside."""


Hire = Callable[[str, int, Callable[[], object], Stage], HiredWorker]
"""Makes a worker: takes the copy's letter, the number of the attempt, what runs the job once, and the stage."""


class LocalWorker(abc.ABC):
    """A `HiredWorker` that dies by exceptions, and shares the memory of this process.

    Args:
        attempt: The attempt that it runs.
        stage: What all workers of the check share.
    """

    def __init__(self, attempt: Attempt, stage: Stage) -> None:
        self.copy = attempt.copy
        self.attempt = attempt.attempt
        self.standing = attempt.standing
        self._attempt = attempt
        self._stage = stage
        self._held: list[tuple[Volatile, Any]] = []

    def move(self, guard: float) -> bool:
        """See `HiredWorker.move`."""
        interrupt()
        for probe in self._stage.heeding("resume"):
            probe.resume(self._attempt)
        in_time = self._lend(guard)
        for probe in self._stage.heeding("pause"):
            probe.pause(self._attempt)
        outcome = self.standing.outcome
        if self.standing.terminated and outcome is not None and outcome.failure is not None:
            self._stage.world.lose_memory()  # the process has ended, too, and what it had open
            self._bury_at_probes()
        return in_time

    def destroy(self, guard: float) -> bool:
        """See `HiredWorker.destroy`."""
        self._doom()
        is_gone = self.standing.outcome is not None or self._end(guard)
        self._bury_at_probes()
        return is_gone

    def bury(self) -> None:
        """See `HiredWorker.bury`: undo what its clean-up code did to the process's memory, and drop its locks."""
        for store, held in self._held:
            store.put_back(held)
        self._stage.world.lose_memory()
        self._bury_at_probes()

    def die(self) -> None:
        """See `Vessel.die`: clean-up code still runs, and must not change the world."""
        self._held = self._stage.world.hold()
        self._doom()
        raise WorkerKilled

    @abc.abstractmethod
    def _lend(self, guard: float) -> bool:
        """Lend the baton; False if it does not come back in time."""

    @abc.abstractmethod
    def _end(self, guard: float) -> bool:
        """End it from outside; False if it stays behind."""

    def _doom(self) -> None:
        for probe in self._stage.heeding("doom"):
            probe.doom(self._attempt)

    def _bury_at_probes(self) -> None:
        for probe in self._stage.heeding("bury"):
            probe.bury(self._attempt)


class ThreadWorker(LocalWorker):
    """A worker in a thread of its own.

    Args:
        copy: The copy's letter.
        attempt: Which execution of the copy this is, from 1.
        body: Runs the job once.
        stage: What all workers of the check share.
    """

    def __init__(self, copy: str, attempt: int, body: Callable[[], object], stage: Stage) -> None:
        super().__init__(Attempt(copy, attempt, stage, self), stage)
        self._body = body
        self._is_doomed = False
        self._strand = Strand(self._main, f"jobchaos {stage.perturbed or ''}{copy}{attempt}")
        self._context = contextvars.copy_context()

    @property
    def position(self) -> Site | None:
        """See `HiredWorker.position`."""
        return self._strand.position

    def park(self) -> None:
        """See `Vessel.park`."""
        self._strand.rest()
        if self._is_doomed:
            raise WorkerKilled

    def _lend(self, guard: float) -> bool:
        return self._strand.lend(guard)

    def _end(self, guard: float) -> bool:
        self._is_doomed = True
        self.standing.dead = True
        return self._strand.end(guard)

    def _main(self) -> None:
        outcome = Outcome("killed")
        try:
            outcome = self._context.run(self._attempt.run, self._body)
        except WorkerKilled:  # a second asynchronous kill may strike while the first is handled
            pass
        except BaseException as error:  # noqa: BLE001 - raised where the check is
            self._stage.stop(InternalError(f"a worker failed: {describe(error)}"))
        finally:
            self.standing.outcome = outcome
