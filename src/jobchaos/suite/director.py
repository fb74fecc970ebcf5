"""Director: is handed every execution of a task; writes down what it does, and delivers one of them with faults."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from jobchaos.core.adapter import Execution
from jobchaos.core.effect import Effect, Foreign
from jobchaos.core.schedule import Run, Schedule
from jobchaos.suite.idempotent import Idempotent
from jobchaos.suite.seen import Act, Recording, Seen, Target
from jobchaos.suite.stage import Delivery, Unregistered, Watch
from jobchaos.suite.state import Surroundings

_MOST = 4  # deliveries after a fault, until the task counts as given up


@dataclass(frozen=True, slots=True)
class Mission:
    """What is to be done in one run of a test.

    Attributes:
        target: The execution to interfere with.
        schedule: How its message is delivered.
    """

    target: Target
    schedule: Schedule


@dataclass(slots=True)
class _Take:
    """One run of a test."""

    recording: Recording
    mission: Mission | None
    look_at: frozenset[Target]
    surroundings: Surroundings | None
    count: Counter[str] = field(default_factory=Counter)


class _Stack(threading.local):
    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.on_mission = False


class Director:
    """One for a session.

    Args:
        idempotent: Which effects mean the same when they are repeated.
    """

    def __init__(self, idempotent: Idempotent) -> None:
        self.watch = Watch(self._note, self._foreign_host)
        self._idempotent = idempotent
        self._stack = _Stack()
        self._take: _Take | None = None

    @property
    def busy(self) -> bool:
        """True while a run of a test goes on."""
        return self._take is not None

    def begin(self, mission: Mission | None = None, look_at: frozenset[Target] | None = None) -> Recording:
        """From now on executions belong to a new run of a test.

        Args:
            mission: What to do in it; None only writes down.
            look_at: After which executions the state is looked at; None looks at no state at all, which is cheap.
        """
        surroundings = None if look_at is None else Surroundings(self._is_idempotent)
        self._take = _Take(Recording(), mission, look_at or frozenset(), surroundings)
        self.watch.registry = surroundings or Unregistered()
        return self._take.recording

    def look(self) -> None:
        """The test function has come to its end: remember the state, if it is looked at."""
        take = self._take
        if take is not None and take.surroundings is not None:
            take.recording.final = take.surroundings.look()

    def end(self) -> None:
        """The run is over: executions are nobody's until `begin`."""
        take, self._take = self._take, None
        self.watch.registry = Unregistered()
        if take is not None and take.surroundings is not None:
            take.surroundings.close()

    def around(self, execution: Execution) -> Any:
        """See `Around`."""
        __tracebackhide__ = True
        take = self._take
        if take is None:
            return execution.run()
        seen = self._enter(take, execution)
        try:
            if execution.is_async:
                return self._awaited(take, seen, execution)
            if take.mission is not None and take.mission.target == seen.target:
                return self._delivered(take, seen, execution, take.mission.schedule)
            return self._once(seen, execution)
        finally:
            if not execution.is_async:
                self._look_after(take, seen)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _enter(self, take: _Take, execution: Execution) -> Seen:
        take.count[execution.task] += 1
        within = self._stack.seen[-1].target[0] if self._stack.seen else ""
        target = execution.task, take.count[execution.task]
        seen = Seen(target, execution.site, execution.terms, within, asynchronous=execution.is_async)
        take.recording.executions.append(seen)
        return seen

    def _once(self, seen: Seen, execution: Execution) -> Any:
        """Run it, and let everything through."""
        __tracebackhide__ = True
        self._stack.seen.append(seen)
        nested = self._stack.on_mission
        worker = Delivery(1, self.watch)
        if not nested:
            self.watch.enter(worker)
        try:
            return execution.run()
        finally:
            if not nested:
                self.watch.leave(worker)
            self._stack.seen.pop()

    async def _awaited(self, take: _Take, seen: Seen, execution: Execution) -> Any:
        __tracebackhide__ = True
        self._stack.seen.append(seen)
        worker = Delivery(1, self.watch)
        self.watch.enter(worker)
        try:
            return await execution.run()
        finally:
            self.watch.leave(worker)
            self._stack.seen.pop()
            self._look_after(take, seen)

    def _delivered(self, take: _Take, seen: Seen, execution: Execution, schedule: Schedule) -> Any:
        """Deliver it as the schedule says, and then until it is done; its caller gets what the first one done gives."""
        __tracebackhide__ = True
        recording = take.recording
        runs = list(schedule.runs)
        answer: list[Any] = []
        number = 0
        while True:
            run = runs.pop(0) if runs else Run("A")
            number += 1
            results: list[Any] = []
            worker = self._attempt(seen, execution, run, number, results)
            failure = worker.outcome.failure
            answer = answer or results
            if number == 1 and run.fault is None and failure is not None:
                break  # it fails without any fault: the test wants that, and a duplicate would mean nothing
            if run.fault is not None and worker.standing.fault is not None:
                break  # it ended before
            recording.fired = recording.fired or number > 1 or run.fault is not None
            if failure is not None and run.fault is None:
                recording.errors.append(failure.text)
            if not runs and (answer or number > _MOST):
                break
        if answer:
            return answer[0]
        if failure is not None and failure.error is not None:
            raise failure.error
        return None

    def _attempt(self, seen: Seen, execution: Execution, run: Run, number: int, results: list[Any]) -> Delivery:
        worker = Delivery(number, self.watch)
        worker.standing.credit, worker.standing.fault = run.steps, run.fault
        self._stack.seen.append(seen)
        self._stack.on_mission = True
        try:
            outcome = worker.run(lambda: results.append(execution.run()))
            if outcome.kind == "killed":
                for probe in self.watch.probes:
                    probe.bury(worker)
            return worker
        finally:
            self._stack.on_mission = False
            self._stack.seen.pop()

    def _look_after(self, take: _Take, seen: Seen) -> None:
        if take.surroundings is None or seen.target not in take.look_at:
            return
        with self.watch.hidden():
            state = take.surroundings.look()
        if state is not None:
            take.recording.after[seen.target] = state

    def _note(self, effect: Effect, applied: bool) -> None:
        stack = self._stack.seen
        if not stack:
            return
        act = Act.of(effect, stack[-1].target[0], applied=applied)
        if self._idempotent.covers(act.task, stack[-1].site, act):
            act = replace(act, writes=False, durable=False)
        for seen in stack:
            seen.acts.append(act)

    def _foreign_host(self, host: str) -> None:
        if self._take is not None:
            self._take.recording.hosts.add(host)

    def _is_idempotent(self, foreign: Foreign) -> bool:
        label = " ".join(str(value) for value in foreign.values[:2])
        act = Act(foreign.ledger, foreign.ledger if foreign.ledger == "mail" else label, "", label, "", True, True)
        return any(self._idempotent.covers(seen.target[0], seen.site, act) for seen in self._stack.seen[-1:])
