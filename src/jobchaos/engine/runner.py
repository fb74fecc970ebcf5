"""Runner: restores the world, runs one schedule under control, and tells what came of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from jobchaos.core.ports import Conditions
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Fault, Run, Schedule, Wait
from jobchaos.core.trace import Happening
from jobchaos.engine.copies import CopyState
from jobchaos.engine.pending import describe
from jobchaos.engine.stage import Stage
from jobchaos.engine.worker import ThreadWorker
from jobchaos.errors import UsageError

_REDELIVERY = 10**9  # ns: a broker takes a moment, and time-derived names of two deliveries must not coincide


class Runner:
    """Runs schedules of one job, one after the other.

    Args:
        stage: Clock, world and probes; the probes must be installed while schedules run.
        body: Runs the job once; called in workers' threads.
        conditions: Start time and random values.
        attempts: Executions of a copy, the first included, until it is given up.
        guard: Real seconds that a worker may take to its next step.
    """

    def __init__(
        self, stage: Stage, body: Callable[[], object], conditions: Conditions, attempts: int, guard: float
    ) -> None:
        self._stage = stage
        self._body = body
        self._conditions = conditions
        self._budget = attempts - 1
        self._guard = guard
        self._copies: dict[str, CopyState] = {}
        self._stuck = ""
        self._missed = False
        self.last_error: BaseException | None = None
        """What the last attempt that raised has raised."""

    def run(self, schedule: Schedule, *, perturbed: bool = False) -> RunResult:
        """Restore the initial state and run `schedule`.

        Args:
            schedule: Who runs how many steps, with which faults.
            perturbed: Start at another time and with other random values, to see what depends on them.

        Raises:
            UsageError: If a store, a host or the schedule itself is refused.
        """
        if any(run.fault is Fault.HANG for run in schedule.runs):
            raise UsageError(f"'{schedule}': !hang needs a model of every driver's timeouts, which is not there yet")
        self._stage.world.restore()
        self._stage.take_trace()
        self._conditions.begin(perturbed=perturbed)
        self._copies = {letter: CopyState(letter) for letter in schedule.copies}
        self._stuck, self._missed, self.last_error = "", False, None
        try:
            self._perform(schedule)
        finally:
            self._destroy_all()
        return self._result(schedule)

    def _perform(self, schedule: Schedule) -> None:
        for segment in schedule.segments:
            if isinstance(segment, Wait):
                self._pass_time(segment.nanoseconds)
            else:
                self._segment(segment)
            if self._stuck:
                return
        self._finish()

    def _segment(self, segment: Run) -> None:
        copy = self._copies[segment.copy]
        worker = copy.worker or self._deliver(copy)
        self._drive(copy, worker, segment.steps, segment.fault)
        if worker.fault is not None and worker.outcome is not None:
            self._missed = True
        worker.fault = None

    def _finish(self) -> None:
        """Run everything to its end, in letter order; wake sleepers, and give up on deadlocks."""
        while True:
            unfinished = [copy for copy in self._copies.values() if copy.is_open(self._budget)]
            if not unfinished:
                return
            moved = False
            for copy in unfinished:
                before = copy.progress
                copy.redeliveries += copy.worker is None
                self._drive(copy, copy.worker or self._deliver(copy), None, None)
                if self._stuck:
                    return
                moved |= copy.progress != before
            if not moved and not self._wake():
                return

    def _drive(self, copy: CopyState, worker: ThreadWorker, credit: int | None, fault: Fault | None) -> None:
        worker.credit, worker.fault = credit, fault
        for probe in self._stage.probes:
            probe.resume(worker)
        in_time = worker.move(self._guard)
        for probe in self._stage.probes:
            probe.pause(worker)
        if self._stage.error is not None:
            return self._fail()
        if not in_time:
            position = worker.position
            self._stuck = f"at {position} in {position.function}()" if position else "outside the project's own code"
        elif worker.outcome is not None:
            self._ended(copy, worker)
        elif worker.waiting_at is not None:
            worker.note(Happening.PAUSED, worker.waiting_at, "")
        return None

    def _ended(self, copy: CopyState, worker: ThreadWorker) -> None:
        outcome = worker.outcome
        copy.worker = None
        if outcome is not None and outcome.error is not None:
            worker.note(Happening.RAISED, None, describe(outcome.error))
            copy.error = describe(outcome.error)
            self._forget_frames(outcome.error)
            self.last_error = outcome.error
        elif worker.dead:
            copy.error = worker.cause_of_death
            worker.unwound()
            for probe in self._stage.probes:
                probe.bury(worker)
        elif worker.fault is Fault.KILL and worker.credit == 0:
            worker.fault = None
            worker.note(Happening.KILLED, None, "after its last effect, before it was acknowledged")
        else:
            worker.note(Happening.FINISHED, None, "")
            copy.completed, copy.error = True, ""

    def _deliver(self, copy: CopyState) -> ThreadWorker:
        if any(other.attempts for other in self._copies.values()):
            self._stage.clock.advance(_REDELIVERY)
        copy.attempts += 1
        copy.worker = ThreadWorker(copy.letter, copy.attempts, self._body, self._stage)
        copy.worker.note(Happening.DELIVERED, None, "")
        return copy.worker

    def _wake(self) -> bool:
        """All are blocked: let the first of them time out. False if none ever will."""
        workers = [copy.worker for copy in self._copies.values() if copy.worker is not None]
        deadlines = [worker.deadline for worker in workers if worker.deadline is not None]
        if not deadlines:
            for copy in self._copies.values():
                if copy.worker is not None:
                    copy.error = f"waits for ever for {copy.worker.blocked_on}"
            return False
        self._pass_time(max(0, min(deadlines) - self._stage.clock.now()))
        return True

    def _pass_time(self, nanoseconds: int) -> None:
        if nanoseconds:
            self._stage.clock.advance(nanoseconds)
            self._stage.note(Happening.TIME, "", 0, None, f"{nanoseconds / 10**9:g} s")

    def _destroy_all(self) -> None:
        for copy in self._copies.values():
            worker, copy.worker = copy.worker, None
            if worker is None:
                continue
            if not worker.destroy(min(self._guard, 1.0)):
                self._stuck += "; its thread is stuck in C code and stays behind"
            for probe in self._stage.probes:
                probe.bury(worker)

    def _result(self, schedule: Schedule) -> RunResult:
        if self._stage.error is not None:
            self._fail()
        for probe in self._stage.probes:
            probe.settle()
        trace, oddities = self._stage.take_trace()
        return RunResult(
            schedule=schedule,
            trace=trace,
            state=self._stage.world.snapshot(),
            copies={letter: copy.result() for letter, copy in self._copies.items()},
            fresh=self._conditions.fresh(),
            faults_hit=not self._missed,
            stuck=self._stuck,
            oddities=oddities,
            read_clock=self._conditions.read_clock,
            used_random=self._conditions.used_random,
        )

    def _fail(self) -> None:
        error, self._stage.error = self._stage.error, None
        if error is not None:
            raise error

    @staticmethod
    def _forget_frames(error: BaseException | None) -> None:
        """Let go of the locals of the job's frames: an open connection among them would lock its database."""
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__
