"""Planning: which executions of a suite are delivered anew, with which faults, in which order. A pure function."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobchaos.core.schedule import Fault, Run, Schedule
from jobchaos.suite.seen import Act, Seen, Target

PER_SIGNATURE = 2
"""In how many tests executions with the same effects are looked at. What one shows, the next one nearly always does."""
_KILLS, _SOFT, _LOST = 8, 3, 3
_DUPLICATE = Schedule((Run("A"), Run("A")))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One execution in one test.

    Attributes:
        nodeid: The test.
        seen: What was executed.
        seconds: How long the test took.
        alone: Whether nothing else was executed in the test.
    """

    nodeid: str
    seen: Seen
    seconds: float
    alone: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is to be done with one execution in one test.

    Attributes:
        nodeid: The test.
        target: The execution.
        schedules: How its message is delivered, each in a run of its own.
        seconds: How long the test took, once.
    """

    nodeid: str
    target: Target
    schedules: tuple[Schedule, ...]
    seconds: float


def plan(candidates: Iterable[Candidate], pattern: str = "") -> list[Assignment]:
    """Choose executions, the most promising first.

    Args:
        candidates: All executions that were seen.
        pattern: Only tasks whose names match it; `name#2` means the second execution in each test.
    """
    groups: dict[tuple[object, ...], list[Candidate]] = {}
    for candidate in candidates:
        if _is_meant(candidate.seen.target, pattern):
            groups.setdefault(candidate.seen.signature, []).append(candidate)
    chosen = [
        (_promise(group[0].seen), place, candidate)
        for place, group in enumerate(groups.values())
        for candidate in sorted(group, key=_effort)[:PER_SIGNATURE]
    ]
    chosen.sort(key=lambda entry: (-entry[0], entry[1]))
    return [
        Assignment(one.nodeid, one.seen.target, schedules, one.seconds)
        for _, _, one in chosen
        if (schedules := schedules_for(one.seen.acts, may_overlap=one.seen.may_overlap))
    ]


def schedules_for(acts: Sequence[Act], *, may_overlap: bool = False) -> tuple[Schedule, ...]:
    """How to deliver a task with these effects: twice; killed in each gap between durable writes; and so on.

    Kills between the same two durable writes leave the same state, so one of them is tried; before the first one
    nothing has happened, and after the last one a redelivery is a duplicate.
    """
    if not any(act.writes for act in acts):
        return ()
    gaps = [at for at in range(1, len(acts)) if acts[at - 1].durable and any(act.writes for act in acts[at:])]
    gaps.sort(key=lambda at: acts[at - 1].kind == "mock")  # what is real comes first
    kills = [_faulty(at, Fault.KILL) for at in sorted(gaps[:_KILLS])]
    soft = [_faulty(at, Fault.TERMINATE) for at in sorted(gaps[:_SOFT])]
    foreign = [at for at, act in enumerate(acts) if act.is_foreign and act.kind != "queue"]
    lost = [_faulty(at, Fault.LOST) for at in foreign[:_LOST]]
    return (_DUPLICATE, *(_overlap(acts) if may_overlap else ()), *kills, *soft, *lost)


def _overlap(acts: Sequence[Act]) -> tuple[Schedule, ...]:
    """One copy has looked, and is about to act, when another one does all of it."""
    first = next((at for at, act in enumerate(acts) if act.writes), 0)
    return (Schedule((Run("A", first), Run("B"), Run("A"))),) if first else ()


def _faulty(steps: int, fault: Fault) -> Schedule:
    return Schedule((Run("A", steps, fault), Run("A")))


def _is_meant(target: Target, pattern: str) -> bool:
    name, _, number = pattern.partition("#")
    if number and number != str(target[1]):
        return False
    return not name or fnmatch.fnmatchcase(target[0], name) or target[0].rpartition(".")[2] == name


def _promise(seen: Seen) -> int:
    """Mails, requests and new rows are what people notice first, and a task with one only is easier to understand."""
    foreign = any(act.is_foreign for act in seen.acts)
    inserts = any(act.inserts for act in seen.acts)
    writes = any(act.writes and act.kind != "mock" for act in seen.acts)
    return 4 * foreign + 2 * inserts + writes


def _effort(candidate: Candidate) -> tuple[bool, float, str]:
    return not candidate.alone, candidate.seconds, candidate.nodeid
