"""Baseline: what one clean run does and leaves, and proof that it does so every time."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from jobchaos.core.compare import volatile_columns
from jobchaos.core.finding import Finding
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Run, Schedule
from jobchaos.core.snapshot import State
from jobchaos.core.trace import Trace, TraceEvent
from jobchaos.engine.runner import Runner
from jobchaos.engine.world import World

CLEAN = Schedule((Run("A"),))
"""One copy, from beginning to end, without any fault."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One clean run.

    Attributes:
        run: The run.
        volatile: Columns whose values depend on the time or on random values.
        lines: True if lines are steps, because the job has no effects that a probe can see.
        notes: What the verdict must mention.
    """

    run: RunResult
    volatile: frozenset[tuple[str, str, str]]
    lines: bool
    notes: tuple[str, ...]


class NoBaselineError(Exception):
    """There is none.

    Attributes:
        finding: Why not.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def establish(
    job: str, runner: Runner, world: World, *, lines: bool, look_closer: Callable[[bool], None] | None
) -> Baseline:
    """Run the job clean until two runs agree.

    Args:
        job: The job's label.
        runner: Runs it.
        world: Its state.
        lines: Whether lines are steps already.
        look_closer: Called when the probes do not see what the job does: makes lines steps from now on and, if called
            with True, the process's memory part of the state. None if that is not wanted.

    Raises:
        NoBaselineError: If the job fails, never ends, differs from run to run, or does nothing that can be seen.
    """
    first = _clean(job, runner)
    notes: list[str] = []
    unseen = world.unseen(first.state, first.trace)
    if look_closer is not None and (unseen or not _visible(first.trace)):
        look_closer(not unseen)
        if unseen:
            notes.append(f"{', '.join(unseen)} changed without an effect that a probe could see: lines are steps, too")
        return _with_notes(establish(job, runner, world, lines=True, look_closer=None), notes)
    second = _clean(job, runner)
    if _difference(first.trace, second.trace) is not None:
        first, second = second, _clean(job, runner)  # the very first run may load and cache things
    _same(job, first, second)
    if not _visible(first.trace) and _same_state(first.state, world.initial):
        raise NoBaselineError(Finding("JC902", f"{job} has no effect that could be seen", detail=_BLIND))
    volatile: frozenset[tuple[str, str, str]] = frozenset()
    if first.read_clock or first.used_random:
        shifted = runner.run(CLEAN, perturbed=True)
        if shifted.completed:
            volatile = volatile_columns(first.state, shifted.state, world.initial)
    if volatile:
        names = ", ".join(".".join(dict.fromkeys(column)) for column in sorted(volatile))
        notes.append(f"made from the time or from random values, so compared by identity only: {names}")
    return Baseline(first, volatile, lines, tuple(notes))


_BLIND = (
    "Nothing changed in any store, and no probe saw a statement, message, request or file. A connection that was "
    "opened before the check cannot be watched: let the job open it. State in objects: "
    "jobchaos_stores with MemoryStore(object). Anything else: FunctionStore(snapshot=..., reset=...)."
)


def _visible(trace: Trace) -> bool:
    return any(effect.kind not in ("line", "sleep") for effect in trace.effects())


def _clean(job: str, runner: Runner) -> RunResult:
    run = runner.run(CLEAN)
    if run.stuck:
        raise NoBaselineError(
            Finding("JC904", f"{job} did not reach its next step in time, {run.stuck}", trace=run.trace, detail=_ENDLESS)
        )
    if run.completed:
        return run
    copy = run.copies["A"]
    error = runner.last_error
    detail = "".join(traceback.format_exception(error)) if error is not None else ""
    raise NoBaselineError(
        Finding(
            "JC903",
            f"{job} fails without any fault: {copy.error}. A job must succeed once before its faults mean anything",
            trace=run.trace,
            detail=detail,
        )
    )


_ENDLESS = "Raise guard= if the job really computes for that long between two effects."


def _same(job: str, first: RunResult, second: RunResult) -> None:
    difference = _difference(first.trace, second.trace)
    if difference is None and not _same_state(first.state, second.state):
        changed = [name for name, snapshot in first.state.items() if not snapshot.same_as(second.state[name])]
        difference = f"the effects are the same, but {', '.join(changed)} differs afterwards"
    if difference is not None:
        raise NoBaselineError(
            Finding(
                "JC901",
                f"{job} does not do the same thing twice from the same state",
                detail=f"{difference}\n{_CAUSES}",
            )
        )


_CAUSES = (
    "Time, random, uuid and secrets are under control already. Usual causes: state kept outside the stores (a cache, a "
    "server's memory: give it to jobchaos_stores), iteration over a set of strings made elsewhere, own threads, id()."
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


def _with_notes(baseline: Baseline, notes: list[str]) -> Baseline:
    return Baseline(baseline.run, baseline.volatile, baseline.lines, (*notes, *baseline.notes))
