"""Causes: symptoms of all tests, grouped by what is behind them. A pure function."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobchaos.core.schedule import Fault, Schedule
from jobchaos.suite.symptoms import Symptom

_FAULTS = (Fault.KILL, Fault.TERMINATE, Fault.LOST, Fault.FAIL, Fault.HANG)
"""What is easier to understand comes first."""
_DUPLICATE = Schedule.parse("A A")


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing to mend.

    Attributes:
        symptoms: What shows it, the simplest first.
    """

    symptoms: tuple[Symptom, ...]

    @property
    def first(self) -> Symptom:
        """The simplest symptom of the best grade."""
        return self.symptoms[0]

    @property
    def grade(self) -> str:
        """The best grade of all symptoms: `A`, `B` or `C`."""
        return self.first.grade

    @property
    def gates(self) -> bool:
        """True unless only counts and return values differ."""
        return self.grade != "C"

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests that show it."""
        return tuple(dict.fromkeys(symptom.nodeid for symptom in self.symptoms))

    @property
    def is_window(self) -> bool:
        """True if there is a guard against duplicates, and only a death or an overlap at the wrong moment passes it."""
        return not any(str(_DUPLICATE) == symptom.schedule for symptom in self.symptoms if symptom.grade != "C")


def group(symptoms: Iterable[Symptom]) -> list[Cause]:
    """Group by task and shared effects, the gravest first.

    Two symptoms of one task have one cause if a wrong effect is the same in both. What only fails assertions is a
    cause of its own only for a task that has no graver one.
    """
    groups: list[list[Symptom]] = []
    for symptom in sorted(symptoms, key=_gravity):
        related = [
            known
            for known in groups
            if known[0].task == symptom.task
            and (symptom.grade == "C" or any(set(symptom.keys) & set(other.keys) for other in known))
        ]
        if not related:
            groups.append([symptom])
            continue
        for other in related[1:]:
            if symptom.grade != "C":
                related[0].extend(other)
                groups.remove(other)
        related[0].append(symptom)
    causes = [Cause(tuple(sorted(known, key=_gravity))) for known in groups]
    return sorted(causes, key=lambda cause: (cause.grade, cause.is_window, cause.first.task, _gravity(cause.first)))


def _gravity(symptom: Symptom) -> tuple[object, ...]:
    schedule = Schedule.parse(symptom.schedule)
    faults = [_FAULTS.index(run.fault) for run in schedule.runs if run.fault is not None]
    return symptom.grade, faults, schedule.simplicity, symptom.nodeid, symptom.target
