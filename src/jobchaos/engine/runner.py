"""Runner: restores the world, runs one schedule under control, and tells what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jobchaos.core.conditions import Conditions
from jobchaos.core.effect import Effect
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Fault, Run, Schedule, Segment, Skew, Wait
from jobchaos.core.trace import Happening
from jobchaos.engine.copies import CopyState, next_deadline
from jobchaos.engine.outage import Outage
from jobchaos.engine.outcome import Failure
from jobchaos.engine.stage import Stage
from jobchaos.engine.waits import TIMED
from jobchaos.engine.worker import Hire, HiredWorker, ThreadWorker
from jobchaos.engine.world import Saved

Look = Callable[[int, Effect], None]


class Runner:
    """Runs schedules of one job, one after the other.

    Args:
        stage: Clock, world and probes; the probes must be installed while schedules run.
        body_of: Takes a copy's letter and returns what runs its job once; that is called in workers.
        conditions: Start time and random values.
        attempts: Executions of a copy, the first included, until it is given up.
        guard: Real seconds that a worker may take to its next step.
        hire: Makes the workers: in threads, or in processes that really die.
        copy_of: Takes a copy's letter, and makes its message, which nobody has been given yet.
    """

    redelivery = 10**9  # ns: a broker takes a moment, and time-derived names of two deliveries must not coincide

    def __init__(
        self,
        stage: Stage,
        body_of: Callable[[str], Callable[[], object]],
        conditions: Conditions,
        attempts: int,
        guard: float,
        hire: Hire = ThreadWorker,
        copy_of: Callable[[str], CopyState] = CopyState,
    ) -> None:
        self._stage = stage
        self._body_of = body_of
        self.conditions = conditions
        """What is the same in every run."""
        self._budget = attempts - 1
        self._guard = guard
        self._hire = hire
        self._copy_of = copy_of
        self._copies: dict[str, CopyState] = {}
        self._stuck = ""
        self._missed = False
        self._read_attempt = False
        self._survey = False
        self.last_failure: Failure | None = None
        """What the last attempt that raised has raised."""

    def run(self, schedule: Schedule, *, perturbed: int = 0, survey: bool = False) -> RunResult:
        """Restore the initial state and run `schedule`.

        Args:
            schedule: Who runs how many steps, with which faults.
            perturbed: Start at another time and with other random values, others for each number but 0.
            survey: Note all waits that a fault could strike.

        Raises:
            UsageError: If a store, a host or the schedule itself is refused.
        """
        self._stage.world.restore()
        self._begin(schedule, perturbed=perturbed)
        self._survey = survey
        try:
            self._perform(schedule.segments)
            self._finish()
        finally:
            self._destroy_all()
        return self._result(schedule)

    def attempt_from(
        self, saved: Saved | None, path: tuple[Run, ...], segment: Run, look: Look | None = None
    ) -> RunResult:
        """Run one more attempt of a copy after others; whatever becomes of it, it is not redelivered.

        Args:
            saved: The state that the others have left, as `World.save` has given it; None to run them again.
            path: The attempts that the copy has had before.
            segment: The copy, and what befalls this attempt.
            look: If nothing does: called before each step, with the number of effects so far and the one to come.
        """
        schedule = Schedule((*(() if saved is not None else path), segment))
        if saved is None:
            self._stage.world.restore()
        else:
            self._stage.world.put_back(saved)
        self._begin(schedule, perturbed=0)
        copy = self._copies[segment.copy]
        if saved is not None and path:
            copy.attempts = len(path)
            self._stage.clock.advance(self.redelivery * (len(path) - 1))  # the last one is added by the delivery itself
        try:
            self._perform(schedule.segments[:-1])
            if look is None:
                self._perform((segment,))
            else:
                self._step_by_step(copy, look)
            self._finish_attempts()
        finally:
            self._destroy_all()
        return self._result(schedule)

    def _step_by_step(self, copy: CopyState, look: Look) -> None:
        """Run a copy's attempt to its last step, or until it has to wait."""
        worker = self._deliver(copy)
        steps = 0
        self._drive(copy, worker, 0, None)
        while copy.worker is worker and worker.standing.waiting_at is not None and not self._stuck:
            look(steps, worker.standing.waiting_at)
            steps += 1
            self._drive(copy, worker, 1, None)

    def _finish_attempts(self) -> None:
        """Run live workers to the ends of their attempts, without redelivery."""
        for copy in self._copies.values():
            while copy.worker is not None and not self._stuck:
                before = copy.progress
                self._drive(copy, copy.worker, None, None)
                if copy.progress == before and not self._wake():
                    break

    def _begin(self, schedule: Schedule, *, perturbed: int) -> None:
        self._stage.begin(fails=schedule.fails, late=any(run.late for run in schedule.runs))
        self._stage.take_trace()
        self._stage.perturbed = perturbed
        self.conditions.begin(perturbed=perturbed)
        self._copies = {letter: self._copy_of(letter) for letter in schedule.copies}
        self._stuck, self._missed, self._read_attempt, self.last_failure = "", False, False, None
        self._survey = False

    def _perform(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            if isinstance(segment, Skew):
                self._stage.clock.skew(segment.copy, segment.nanoseconds)
            elif isinstance(segment, Wait):
                self._pass_time(segment.nanoseconds)
            else:
                self._segment(segment)
            if self._stuck:
                return

    def _segment(self, segment: Run) -> None:
        copy = self._copies[segment.copy]
        if copy.overran:  # the schedule means to go on with it, not to deliver it again
            copy.overran = False
            return
        holder = copy.held_back_by(self._copies.values())
        if holder is not None:
            self._stage.note(Happening.HELD_BACK, copy.letter, copy.attempts + 1, None, holder.why_others_wait)
            return
        worker = copy.worker or self._deliver(copy)
        worker.standing.wait = segment.wait
        copy.outage = Outage.of(segment) if segment.is_outage else copy.outage
        self._drive(copy, worker, segment.steps, segment.fault)
        standing = worker.standing
        has_ended = standing.outcome is not None
        if (has_ended and (standing.fault is not None or standing.credit)) or standing.fault in TIMED:
            self._missed = True
        standing.fault = None

    def _finish(self) -> None:
        """Run everything to its end, in letter order; wake sleepers, and give up on deadlocks."""
        while not self._stuck:
            unfinished = [copy for copy in self._copies.values() if copy.is_open(self._budget)]
            if not unfinished:
                return
            moved = False
            movable = (copy for copy in unfinished if not (copy.hangs or copy.held_back_by(self._copies.values())))
            for copy in sorted(movable, key=lambda copy: copy.due):
                before = copy.progress
                copy.redeliveries += copy.worker is None
                if copy.is_delivered_last(self._budget):
                    self._pass_time(self._stage.until_all_ran_out(unstated=self.conditions.read_clock))
                self._drive(copy, copy.worker or self._deliver(copy), None, None)
                if self._stuck:
                    return
                moved |= copy.progress != before
            if not moved and not self._wake():
                return

    def _drive(self, copy: CopyState, worker: HiredWorker, credit: int | None, fault: Fault | None) -> None:
        worker.standing.credit, worker.standing.fault, worker.standing.survey = credit, fault, self._survey
        worker.standing.outage = copy.outage
        in_time = worker.move(self._guard)
        gave_way = False
        while in_time and worker.standing.gives_way and not self._stuck and self._stage.error is None:
            gave_way = credit is not None  # the schedule means to go on with it
            self._serve_others(copy)
            in_time = worker.move(self._guard)
        copy.learn(worker.standing)
        self._fail()
        if not in_time:
            at = worker.position
            self._stuck = f"at {at} in {at.function}()" if at else "outside the project's own code"
            return
        for other in self._copies.values():  # others that live in the same event loop may have ended with it
            if other.worker is not None and other.worker.standing.outcome is not None:
                self._ended(other, other.worker)
                other.overran = (other is not copy or gave_way) and other.completed
                self._serve_others(other)
        if worker.standing.outcome is None and worker.standing.waiting_at is not None:
            self._note(Happening.PAUSED, worker, "", worker.standing.waiting_at)

    def _serve_others(self, copy: CopyState) -> None:
        for other, worker in copy.served_besides(self._copies.values()):
            self._drive(other, worker, 0, None)

    def _ended(self, copy: CopyState, worker: HiredWorker) -> None:
        standing, outcome = worker.standing, worker.standing.outcome
        copy.worker = None
        self._read_attempt = self._read_attempt or standing.read_attempt
        if outcome is not None and outcome.failure is not None:
            self._note(Happening.RAISED, worker, outcome.failure.text)
            copy.error = outcome.failure.text
            if standing.terminated:
                copy.killed()
            else:
                copy.raised(outcome, self._stage.clock.now())
            outcome.failure.forget_frames()
            self.last_failure = outcome.failure
        elif standing.dead:
            copy.error = standing.cause_of_death
            copy.killed()
            worker.bury()
        elif standing.fault is Fault.KILL and standing.credit == 0:
            standing.fault = None
            copy.killed()
            self._note(Happening.KILLED, worker, "after its last effect, before it was acknowledged")
            worker.bury()
        else:
            self._note(Happening.FINISHED, worker, "")
            copy.completed, copy.error = True, ""

    def _deliver(self, copy: CopyState) -> HiredWorker:
        if copy.due > self._stage.clock.now():
            self._pass_time(copy.due - self._stage.clock.now())
        elif any(other.attempts for other in self._copies.values()):
            self._stage.clock.advance(self.redelivery)
        body = copy.delivered(self._body_of(copy.letter))
        copy.worker = self._hire(copy.letter, copy.attempts, body, self._stage)
        self._note(Happening.DELIVERED, copy.worker, "")
        return copy.worker

    def _note(self, happening: Happening, worker: HiredWorker, detail: str, effect: Effect | None = None) -> None:
        self._stage.note(happening, worker.copy, worker.attempt, effect, detail)

    def _wake(self) -> bool:
        """All are blocked: let the first of them time out. False if none ever will."""
        deadline = next_deadline(self._copies.values(), self._stage.moments_to_come)
        self._pass_time(max(0, (deadline or 0) - self._stage.clock.now()))
        return deadline is not None

    def _pass_time(self, nanoseconds: int) -> None:
        if nanoseconds:
            self._stage.clock.advance(nanoseconds)
            self._stage.note(Happening.TIME, "", 0, None, f"{nanoseconds / 10**9:g} s")

    def _destroy_all(self) -> None:
        for copy in self._copies.values():
            worker, copy.worker = copy.worker, None
            if worker is not None and not worker.destroy(min(self._guard, 1.0)):
                self._stuck += "; its thread is stuck in C code and stays behind"

    def _result(self, schedule: Schedule) -> RunResult:
        self._fail()
        for probe in self._stage.heeding("settle"):
            probe.settle()
        trace, oddities = self._stage.take_trace()
        return RunResult(
            schedule,
            trace,
            state=self._stage.world.snapshot(),
            copies={letter: copy.result() for letter, copy in self._copies.items()},
            fresh=self.conditions.fresh(),
            carried_out=not self._missed,
            stuck=self._stuck,
            oddities=oddities,
            read_clock=self.conditions.read_clock,
            used_random=self.conditions.used_random,
            read_attempt=self._read_attempt,
        )

    def _fail(self) -> None:
        error, self._stage.error = self._stage.error, None
        if error is not None:
            raise error
