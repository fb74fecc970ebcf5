"""Baseline: what one clean run does and leaves, and proof that it does so every time."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobchaos.core.conditions import FAR, SLOW
from jobchaos.core.finding import Finding
from jobchaos.core.fresh import Fresh
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Run, Schedule
from jobchaos.core.snapshot import State
from jobchaos.core.trace import Trace, TraceEvent
from jobchaos.core.volatile import Volatile, volatile_columns
from jobchaos.engine.runner import Runner
from jobchaos.engine.world import Saved, World

CLEAN = Schedule((Run("A"),))
"""One copy, from beginning to end, without any fault."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One clean run.

    Attributes:
        run: The run.
        volatile: What depends on the time or on random values.
        lines: True if lines are steps, because the job has no effects that a probe can see.
        observations: What the verdict must mention.
        uses_memory: True if the job changes memory of the process that its copies share.
        left: What it has left; None if only another run leads there.
    """

    run: RunResult
    volatile: Volatile
    lines: bool
    observations: tuple[str, ...]
    uses_memory: bool
    left: Saved | None

    def leave(self, runner: Runner, world: World) -> None:
        """Bring the world to where the run has left it."""
        if self.left is None:
            runner.run(self.run.schedule)
        else:
            world.put_back(self.left)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the verdict must mention, volatile columns included."""
        if not self.volatile.columns:
            return self.observations
        names = ", ".join(".".join(dict.fromkeys(column)) for column in sorted(self.volatile.columns))
        note = f"made from the time or from random values, so compared by identity only: {names}"
        return (*self.observations, note)


class NoBaselineError(Exception):
    """There is none.

    Attributes:
        finding: Why not.
        oddities: `(code, message)` of what else was odd about the run, and may be the reason.
    """

    def __init__(self, finding: Finding, run: RunResult) -> None:
        super().__init__(finding.message)
        self.finding = finding
        self.oddities = run.oddities


def establish(
    job: str,
    runner: Runner,
    world: World,
    *,
    lines: bool,
    look_closer: Callable[[bool], bool] | None,
    schedule: Schedule = CLEAN,
) -> Baseline:
    """Run the job clean until two runs agree.

    Args:
        job: The job's label.
        runner: Runs it.
        world: Its state.
        lines: Whether lines are steps already.
        look_closer: Called when the probes do not see what the job does: makes lines steps from now on, or returns
            False; if called with True, makes the process's memory part of the state. None if that is not wanted.
        schedule: The clean run. One of different jobs, one after the other, may fail in it.

    Raises:
        NoBaselineError: If the job fails, never ends, differs from run to run, or does nothing that can be seen.
    """
    first = clean_run(job, runner, schedule)
    changed = world.changed_memory
    unseen = world.unseen(first.state, first.trace)
    if look_closer is not None and (unseen or not _visible(first.trace)):
        lines = look_closer(not unseen)
        change = f"{', '.join(unseen)} changed without an effect that a probe could see: lines are steps, too"
        seen = establish(job, runner, world, lines=lines, look_closer=None, schedule=schedule)
        return dataclasses.replace(seen, observations=(*([change] if unseen and lines else []), *seen.observations))
    second = clean_run(job, runner, schedule, again=True)
    if _difference(first.trace, second.trace) is not None:  # the very first run may load and cache things
        first, second = second, clean_run(job, runner, schedule, again=True)
    _same(job, first, second)
    left = None if changed else world.keep()
    if not _visible(first.trace) and not _leaves_anything(first, runner, world):
        raise NoBaselineError(Finding("JC902", f"{job} has no effect that could be seen", detail=_BLIND), first)
    run, volatile = _settled(job, first, runner, world)
    return Baseline(run, volatile, lines, _forgotten(changed), bool(changed), left if run is first else None)


def _settled(job: str, run: RunResult, runner: Runner, world: World) -> tuple[RunResult, Volatile]:
    """A clean run, and what of it varies; one that begins later if this has written a time that was there by chance."""
    runs = _clean_runs(run, runner)
    volatile = _volatile(run, runs, runner, world)
    if not volatile.coincides(runs, world.initial):
        return run, volatile
    runner.conditions.begin_later()
    later = clean_run(job, runner, run.schedule, again=True)
    return later, volatile_after(later, runner, world)


def clean_run(job: str, runner: Runner, schedule: Schedule, *, again: bool = False) -> RunResult:
    """Run a schedule without faults.

    Args:
        job: The job's label.
        runner: Runs it.
        schedule: The schedule.
        again: Whether it has succeeded before, from the same state.

    Raises:
        NoBaselineError: If it is stuck; or if it fails, unless there are different jobs.
    """
    run = runner.run(schedule)
    if run.stuck:
        message = f"{job} did not reach its next step in time, {run.stuck}"
        detail = _IN_C if "in C code" in run.stuck else _ENDLESS
        raise NoBaselineError(Finding("JC904", message, trace=run.trace, detail=detail), run)
    if run.completed or len(schedule.copies) > 1:
        return run
    error = run.copies["A"].error
    if not again:
        raise NoBaselineError(failure(f"{job} fails without any fault: {error}", run, runner), run)
    detail = f"{_traceback(runner)}{_CAUSES}"
    message = f"{job} completes, and fails when it is run again from the same state: {error}"
    raise NoBaselineError(Finding("JC901", message, trace=run.trace, detail=detail), run)


def failure(what: str, run: RunResult, runner: Runner) -> Finding:
    """A job fails for good in `run`, the latest run of `runner`."""
    detail = _traceback(runner)
    if _SIGNAL in what:
        detail = f"{detail.rstrip()}\n{_MAIN_THREAD}"
    message = f"{what.rstrip('.')}. A job must succeed once before its faults mean anything"
    return Finding("JC903", message, trace=run.trace, detail=detail)


def _traceback(runner: Runner) -> str:
    return "" if runner.last_failure is None else runner.last_failure.traceback


def volatile_after(run: RunResult, runner: Runner, world: World) -> Volatile:
    """What differs when a clean run is repeated at other times and with other random values."""
    return _volatile(run, _clean_runs(run, runner), runner, world)


def _clean_runs(run: RunResult, runner: Runner) -> list[tuple[State, Fresh]]:
    """What a clean run leaves; and what at other times, and with other random values, if it has looked at any."""
    runs = [(run.state, run.fresh)]
    varied = run.read_clock or run.used_random
    for number in range(1, 1 + (_DRAWS if run.used_random else 1)) if varied else ():
        shifted = runner.run(run.schedule, perturbed=number)
        if [copy.completed for copy in run.copies.values()] != [copy.completed for copy in shifted.copies.values()]:
            return runs[:1]
        runs.append((shifted.state, shifted.fresh))
    return runs


def _volatile(run: RunResult, runs: Sequence[tuple[State, Fresh]], runner: Runner, world: World) -> Volatile:
    if len(runs) == 1 or not run.read_clock:
        return Volatile.between(runs, world.initial)
    slow = runner.run(run.schedule, perturbed=SLOW)
    left = (slow.state, slow.fresh) if all(copy.completed for copy in slow.copies.values()) else runs[0]
    volatile = Volatile.between(runs, world.initial, left)
    if not volatile.texts(run.state, run.fresh):
        return volatile
    far = runner.run(run.schedule, perturbed=FAR)
    return volatile.with_words([*runs, left, (far.state, far.fresh)])


_DRAWS = 3
"""How often random values are drawn again: one of ten may well be the same by chance, but not three times."""


_BLIND = (
    "Nothing changed in any store, and no probe saw a statement, message, request or file. A connection that was "
    "opened before the check cannot be watched: let the job open it. State in objects: "
    "jobchaos_stores with MemoryStore(object). Anything else: FunctionStore(snapshot=..., reset=...)."
)


def _forgotten(memory: Sequence[str]) -> tuple[str, ...]:
    note = (
        f"changed, but not compared, as memory is gone with its process: {', '.join(memory)}. What stands for "
        "something outside, as a fake does, has to be named in jobchaos_stores: MemoryStore(...)"
    )
    return (note,) if memory else ()


def _leaves_anything(run: RunResult, runner: Runner, world: World) -> bool:
    """Whether a clean run, or one of different jobs alone (another may have undone it), has changed any state."""
    alone = (runner.run(Schedule((Run(letter),))) for letter in run.copies if len(run.copies) > 1)
    return any(not _same_state(one.state, world.initial) for one in itertools.chain([run], alone))


def _visible(trace: Trace) -> bool:
    return any(effect.kind not in ("line", "sleep", "await") for effect in trace.effects())


_SIGNAL = "signal only works in main thread"
_MAIN_THREAD = (
    "Jobs run in threads here, and Python lets only a main thread handle signals. Give each worker a process of its "
    'own, in whose main thread the job runs: isolation="process".'
)
_IN_C = (
    "C code waits in real time, which no virtual clock can shorten: let the test give it less to wait for, wait in "
    "Python (time.sleep), or raise guard= if it ends."
)
_ENDLESS = "Raise guard= if the job really computes for that long between two effects."


_MOST_COLUMNS = 5  # that are named


def _same(job: str, first: RunResult, second: RunResult) -> None:
    difference = _difference(first.trace, second.trace)
    if difference is None and not _same_state(first.state, second.state):
        changed = [name for name, snapshot in first.state.items() if not snapshot.same_as(second.state[name])]
        columns = sorted(".".join(column[1:]) for column in volatile_columns(first.state, second.state, {}))
        places = ", ".join((*columns[:_MOST_COLUMNS], *["..."] * (len(columns) > _MOST_COLUMNS)))
        difference = f"the effects are the same, but {', '.join(changed)} differs afterwards, in {places}"
    if difference is not None:
        is_timed = any(code == "JC710" for code, _ in second.oddities)
        raise NoBaselineError(
            Finding(
                "JC901",
                f"{job} does not do the same thing twice from the same state",
                detail=f"{difference}\n{_CLOCKS if is_timed else _CONTROLLED} {_CAUSES}",
            ),
            second,
        )


_CONTROLLED = "Time, random, uuid and secrets are under control already."
_CLOCKS = "Random, uuid and secrets are under control already; time is not, where JC710 says so."
_CAUSES = (
    "Usual causes: state kept outside the stores (a cache, a server's memory: give it to jobchaos_stores), iteration "
    "over a set of strings made elsewhere, own threads, id()."
)


def _difference(first: Trace, second: Trace) -> str | None:
    mine, theirs = _steps(first), _steps(second)
    for number in range(max(len(mine), len(theirs))):
        one = mine[number] if number < len(mine) else None
        other = theirs[number] if number < len(theirs) else None
        if one is None or other is None or _essence(one) != _essence(other):
            return f"first difference at effect {number + 1}:\n  first run   {_told(one)}\n  second run  {_told(other)}"
    return None


def _steps(trace: Trace) -> list[TraceEvent]:
    return [event for event in trace.events if event.effect is not None]


def _essence(event: TraceEvent) -> tuple[object, ...]:
    effect = event.effect
    return (event.happening, event.detail, event.applied, effect and (effect.kind, effect.label, effect.durable))


def _told(event: TraceEvent | None) -> str:
    if event is None or event.effect is None:
        return "(ended)"
    site = f"  at {event.effect.site}" if event.effect.site else ""
    return f"{event.effect.label}  {event.detail}{site}"


def _same_state(one: State, other: State) -> bool:
    return all(snapshot.same_as(other[name]) for name, snapshot in one.items())
