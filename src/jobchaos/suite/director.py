"""Director: is handed every execution of a task; writes down what it does, and delivers one of them with faults."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from jobchaos.core.adapter import Execution
from jobchaos.core.effect import Effect, Foreign
from jobchaos.core.schedule import Run, Schedule
from jobchaos.probes.django_statements import is_in_transaction
from jobchaos.probes.sqlalchemy_statements import is_shared
from jobchaos.suite.deliveries import Deliveries
from jobchaos.suite.idempotent import Idempotent
from jobchaos.suite.overlap import Overlap
from jobchaos.suite.passing import executing
from jobchaos.suite.seen import Act, Recording, Seen, Target
from jobchaos.suite.stage import Delivery, Unregistered, Watch
from jobchaos.suite.state import Surroundings
from jobchaos.suite.underway import Underway

_PATIENCE = 10.0  # real seconds for a worker in this process to deliver again
_GRACE = 1.0  # and to come to the end of what the test has seen the result of


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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the calling thread or task is: within which executions, and whether one of them is interfered with."""

    within: tuple[Seen, ...] = ()
    on_mission: bool = False


_place: ContextVar[_Place] = ContextVar("jobchaos_place", default=_Place())  # noqa: B039 - it is frozen


class Director:
    """One for a session.

    Args:
        idempotent: Which effects mean the same when they are repeated.
    """

    def __init__(self, idempotent: Idempotent) -> None:
        self.watch = Watch(self._note, self._foreign_host)
        self._idempotent = idempotent
        self._take: _Take | None = None
        self._underway = Underway()

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
            self._underway.wait(_PATIENCE)
            take.recording.final = take.surroundings.look()
            take.recording.contradicted = take.surroundings.contradicted

    def end(self) -> None:
        """The run is over: executions are nobody's until `begin`."""
        self._underway.wait(_GRACE)
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
        seen = self._seen(take, execution)
        deliveries = None
        if take.mission is not None and take.mission.target == seen.target:
            failed = functools.partial(_failed_for_good, execution, seen, take.recording)
            deliveries = Deliveries(take.mission.schedule, take.recording, failed)
        if execution.is_async:
            return self._awaited(take, seen, execution, deliveries)
        with self._executed(take, seen, execution) as results:
            results.append(self._run(take, seen, execution, deliveries))
            return results[0]

    # --- inside ------------------------------------------------------------------------------------------------------

    def _run(self, take: _Take, seen: Seen, execution: Execution, deliveries: Deliveries | None) -> Any:
        __tracebackhide__ = True
        if deliveries is None:
            with self._watched(seen):
                return execution.run()
        if deliveries.overlap:
            with self._placed(seen):
                return Overlap(execution, self.watch, take.recording).follow(deliveries.schedule)
        for run in deliveries:
            with self._attempted(seen, run, deliveries) as results:
                results.append(execution.run())
        return deliveries.answer()

    async def _awaited(self, take: _Take, seen: Seen, execution: Execution, deliveries: Deliveries | None) -> Any:
        __tracebackhide__ = True
        with self._executed(take, seen, execution) as results:
            if deliveries is None:
                with self._watched(seen):
                    results.append(await execution.run())
            else:
                for run in deliveries:
                    with self._attempted(seen, run, deliveries) as answers:
                        answers.append(await execution.run())
                results.append(deliveries.answer())
            return results[0]

    @contextlib.contextmanager
    def _executed(self, take: _Take, seen: Seen, execution: Execution) -> Iterator[list[Any]]:
        """Around one execution, whatever is done to it; at its end the list has what its caller is to get."""
        results: list[Any] = []
        with self._underway.execution(seen, _place.get().within), executing():
            try:
                yield results
            except StopIteration:
                if take.mission is None:
                    raise
                # A mock has run out of answers, and no future of an event loop could tell of that; nor could this
                # generator, if that were the cause of its error.
                raise RuntimeError("there is no further answer") from None
            finally:
                seen.failed = not results or execution.failed(results[0])
                self._look_after(take, seen)

    def _seen(self, take: _Take, execution: Execution) -> Seen:
        take.count[execution.task] += 1
        within = _place.get().within
        target = execution.task, take.count[execution.task]
        seen = Seen(target, execution.site, execution.terms, within[-1].target[0] if within else "")
        seen.may_overlap = not (execution.is_async or execution.terms.lock or is_in_transaction())
        take.recording.executions.append(seen)
        return seen

    @contextlib.contextmanager
    def _watched(self, seen: Seen) -> Iterator[None]:
        """Write down what happens, and let everything through."""
        place = _place.get()
        _place.set(_Place((*place.within, seen), place.on_mission))
        worker = None if place.on_mission else Delivery(1, self.watch)  # else it happens to the one above
        if worker is not None:
            self.watch.enter(worker)
        try:
            yield
        finally:
            if worker is not None:
                self.watch.leave(worker)
            _place.set(place)

    @contextlib.contextmanager
    def _attempted(self, seen: Seen, run: Run, deliveries: Deliveries) -> Iterator[list[Any]]:
        """Deliver once; no error gets out, but is kept for the end."""
        worker = Delivery(deliveries.number, self.watch)
        worker.standing.credit, worker.standing.fault = run.steps, run.fault
        results: list[Any] = []
        with self._placed(seen):
            with worker.living():
                yield results
            if worker.outcome.kind == "killed":
                results.clear()  # some systems catch even that, and make a result of it
            if worker.outcome.kind == "killed" or worker.standing.terminated:
                for probe in self.watch.heeding("bury"):
                    probe.bury(worker)
            deliveries.conclude(run, worker, results)

    @contextlib.contextmanager
    def _placed(self, seen: Seen) -> Iterator[None]:
        """What happens meanwhile happens to that execution."""
        place = _place.get()
        _place.set(_Place((*place.within, seen), on_mission=True))
        try:
            yield
        finally:
            _place.set(place)

    def _look_after(self, take: _Take, seen: Seen) -> None:
        seen.may_overlap = seen.may_overlap and not is_shared()
        if take.surroundings is None or seen.target not in take.look_at:
            return
        with self.watch.hidden():
            state = take.surroundings.look()
        if state is not None and seen.alone:
            take.recording.after[seen.target] = state

    def _note(self, effect: Effect, applied: bool) -> None:
        stack = _place.get().within
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
        return any(self._idempotent.covers(seen.target[0], seen.site, act) for seen in _place.get().within[-1:])


def _failed_for_good(execution: Execution, seen: Seen, recording: Recording, result: Any) -> bool:
    """True for a failure, unless the task was executed again within the execution itself, as an eager retry is."""
    return execution.failed(result) and not recording.is_retried(seen.target[0])
