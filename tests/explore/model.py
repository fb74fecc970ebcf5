"""A model of jobs and of the engine's runner: thousands of executions a second, with states that tell orders apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.schedule import Fault, Run, Schedule
from jobchaos.core.trace import Happening, Trace, TraceEvent

LOCK = "lock"


@dataclass(frozen=True)
class Step:
    """One effect of a modelled job.

    Attributes:
        what: `read`, `write` (a value made from all that was read), `set` (the key's one value) or `append`; `begin`
            and `commit` take and release the one lock, and what is written between them is seen by nobody, and lost in
            a crash, before the commit.
        key: What it touches.
        then: What the job does when a read finds that somebody has written: nothing special, `stop` or `raise`.
    """

    what: str
    key: str = ""
    then: str = ""

    def __repr__(self) -> str:
        return f"Step({self.what!r}, {self.key!r}, {self.then!r})"


Program = tuple[Step, ...]
State = tuple[tuple[str, tuple[int, ...]], ...]


def program(text: str) -> Program:
    """`R idem, W order` as a program."""
    words = {"R": "read", "W": "write", "S": "set", "A": "append"}
    return tuple(Step(words[word], key) for word, key in (part.split() for part in text.split(",")))


@dataclass(frozen=True)
class _Attempt:
    """Where an attempt stands; `written` is None outside of transactions."""

    number: int
    position: int = 0
    seen: tuple[int, ...] = ()
    written: tuple[tuple[str, int], ...] | None = None
    is_blocked: bool = False


@dataclass
class Machine:
    """The world, and where every copy stands in it.

    Attributes:
        programs: Each copy's job.
        redeliveries: How often a copy is redelivered that nobody has asked for.
    """

    programs: Mapping[str, Program]
    redeliveries: int = 3
    cells: dict[str, tuple[int, ...]] = field(default_factory=dict)
    holder: str = ""
    running: dict[str, _Attempt] = field(default_factory=dict)
    deliveries: dict[str, int] = field(default_factory=dict)
    finished: frozenset[str] = frozenset()
    unasked: dict[str, int] = field(default_factory=dict)
    events: list[TraceEvent] = field(default_factory=list)

    def fork(self) -> Machine:
        """An equal world that goes its own way from here."""
        return replace(
            self,
            cells=dict(self.cells),
            running=dict(self.running),
            deliveries=dict(self.deliveries),
            unasked=dict(self.unasked),
            events=list(self.events),
        )

    @property
    def state(self) -> State:
        """What is left behind: the same whichever copy is called A."""
        return tuple(sorted(self.cells.items()))

    def open(self) -> list[str]:
        """The copies that are running, or will be redelivered."""
        return [
            copy
            for copy in sorted(self.programs)
            if copy in self.running or (copy not in self.finished and self.unasked.get(copy, 0) < self.redeliveries)
        ]

    def deliver(self, copy: str) -> None:
        """A new attempt begins, unless one is running."""
        if copy not in self.running:
            number = self.deliveries[copy] = self.deliveries.get(copy, 0) + 1
            self.running[copy] = _Attempt(number)
            self._note(Happening.DELIVERED, copy, number)

    def upcoming(self, copy: str) -> Effect | None:
        """The effect before which a running copy is; None at its end."""
        attempt, steps = self.running[copy], self.programs[copy]
        return None if attempt.position >= len(steps) else _effect(steps[attempt.position], attempt)

    def advance(self, copy: str) -> Happening:
        """A running copy does one effect, waits for the lock, or ends."""
        attempt = self.running[copy]
        effect = self.upcoming(copy)
        if effect is None:
            return self._end(copy, Happening.FINISHED)
        step = self.programs[copy][attempt.position]
        if step.what == "begin" and self.holder not in ("", copy):
            if not attempt.is_blocked:
                self._note(Happening.BLOCKED, copy, attempt.number)
            self.running[copy] = replace(attempt, is_blocked=True)
            return Happening.BLOCKED
        self._note(Happening.EFFECT, copy, attempt.number, effect)
        after = replace(attempt, position=attempt.position + 1, is_blocked=False)
        before = dict(self.cells), () if step.what == "commit" else self._own(attempt)
        self.running[copy] = after = self._apply(copy, step, after)
        self.events[-1] = self.events[-1]._replace(changed=before != (self.cells, self._own(after)))
        if step.what == "read" and after.seen[-1] and step.then == "raise":
            return self._end(copy, Happening.RAISED)
        return Happening.EFFECT

    def kill(self, copy: str) -> None:
        """The worker of a running copy dies."""
        self._end(copy, Happening.KILLED)

    def _own(self, attempt: _Attempt) -> tuple[tuple[str, int], ...]:
        """What an attempt sees and others do not."""
        written = dict(attempt.written or ())
        return tuple((key, value) for key, value in written.items() if self.cells.get(key) != (value,))

    def _apply(self, copy: str, step: Step, attempt: _Attempt) -> _Attempt:
        value = hash(step.key) if step.what == "set" else hash((attempt.position, *attempt.seen))
        if step.what == "read":
            mine = dict(attempt.written or ()).get(step.key)
            found = (mine,) if mine is not None else self.cells.get(step.key, ())
            stops = step.then == "stop" and found
            position = len(self.programs[copy]) if stops else attempt.position
            return replace(attempt, seen=(*attempt.seen, hash(found) if found else 0), position=position)
        if step.what == "append":
            self.cells[step.key] = tuple(sorted((*self.cells.get(step.key, ()), value)))
        elif step.what == "begin":
            self.holder = copy
            return replace(attempt, written=())
        elif step.what == "commit":
            self.cells.update((key, (content,)) for key, content in attempt.written or ())
            self.holder = "" if self.holder == copy else self.holder
            return replace(attempt, written=None)
        elif attempt.written is not None:
            return replace(attempt, written=(*attempt.written, (step.key, value)))
        else:
            self.cells[step.key] = (value,)
        return attempt

    def _end(self, copy: str, how: Happening) -> Happening:
        self._note(how, copy, self.running.pop(copy).number)
        if self.holder == copy:
            self.holder = ""
        if how is Happening.FINISHED:
            self.finished |= {copy}
        return how

    def _note(self, happening: Happening, copy: str, attempt: int, effect: Effect | None = None) -> None:
        self.events.append(TraceEvent(happening, copy, attempt, effect, "", 0))


def execute(machine: Machine, schedule: Schedule) -> Trace:
    """Do what `engine.runner.Runner` does."""
    for run in schedule.runs:
        machine.deliver(run.copy)
        _drive(machine, run)
    before = -1
    while machine.open() and before != len(machine.events):
        before = len(machine.events)
        for copy in machine.open():
            machine.unasked[copy] = machine.unasked.get(copy, 0) + (copy not in machine.running)
            machine.deliver(copy)
            _drive(machine, Run(copy))
    return Trace(tuple(machine.events))


def _drive(machine: Machine, run: Run) -> None:
    left = run.steps
    while True:
        going_on = machine.running[run.copy].is_blocked  # that effect has had its step
        if not going_on and left == 0 and (run.fault is Fault.KILL or machine.upcoming(run.copy) is not None):
            if run.fault is Fault.KILL:
                machine.kill(run.copy)
            return
        if machine.advance(run.copy) is not Happening.EFFECT:
            return
        left = left if left is None or going_on else left - 1


def _effect(step: Step, attempt: _Attempt) -> Effect:
    if step.what in ("begin", "commit"):
        touches = tuple(Touch(key, Mode.WRITE) for key, _ in attempt.written or ())
        return Effect("sql", step.what, touches, step.what == "commit", locks=(Touch(LOCK, Mode.WRITE),))
    mode = {"read": Mode.READ, "append": Mode.APPEND}.get(step.what, Mode.WRITE)
    durable = step.what == "append" or (step.what in ("write", "set") and attempt.written is None)
    return Effect("sql", f"{step.what} {step.key}", (Touch(step.key, mode),), durable)
