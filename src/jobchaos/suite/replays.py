"""Replays: the second pass, over what the first one has chosen. Knows tests only as something that can be run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jobchaos.core.compare import Ignore
from jobchaos.suite.director import Mission
from jobchaos.suite.planning import Assignment
from jobchaos.suite.seen import Recording, Target
from jobchaos.suite.symptoms import Controls, Symptom, symptom

_monotonic = [time.monotonic]  # in a list, where freezegun does not look


@dataclass(frozen=True, slots=True)
class Take:
    """One more run of a test.

    Attributes:
        recording: What was seen.
        failure: What the test itself says, on one line; empty if it passes.
    """

    recording: Recording
    failure: str


Rerun = Callable[[str, "Mission | None", frozenset[Target]], Take]
"""Runs a test again: its id, what to do in it, and after which executions to look at the state."""


@dataclass(slots=True)
class Replayed:
    """What the second pass has come to.

    Attributes:
        symptoms: What is wrong.
        refused: Tests that cannot be run again, each with the reason.
        unsteady: Tests that leave rows behind, each with the tables, which are not compared.
        left_out: Executions for which no time was left.
        tests: How many tests were run again.
        runs: How many runs that took.
        seconds: How long.
    """

    symptoms: list[Symptom] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    unsteady: dict[str, str] = field(default_factory=dict)
    left_out: list[Assignment] = field(default_factory=list)
    tests: int = 0
    runs: int = 0
    seconds: float = 0.0


class Replays:
    """Runs assignments, the first ones first.

    Args:
        rerun: Runs a test again.
        ignore: What to leave out of comparisons.
        budget: Seconds after which no further execution is begun with; None for all.
    """

    def __init__(self, rerun: Rerun, ignore: Ignore, budget: float | None) -> None:
        self._rerun = rerun
        self._ignore = ignore
        self._budget = budget
        self._controls: dict[str, Controls | None] = {}
        self._result = Replayed()

    def run(self, assignments: Sequence[Assignment], seen: dict[str, Recording]) -> Replayed:
        """Run them all, or as many as there is time for.

        Args:
            assignments: What to do.
            seen: What the first pass has seen in each test.
        """
        started, result = _monotonic[0](), self._result
        targets: dict[str, set[Target]] = {}
        for assignment in assignments:
            targets.setdefault(assignment.nodeid, set()).add(assignment.target)
        for at, assignment in enumerate(assignments):
            if self._budget is not None and _monotonic[0]() - started > self._budget:
                result.left_out = list(assignments[at:])
                break
            look_at = frozenset(targets[assignment.nodeid])
            controls = self._controlled(assignment.nodeid, look_at, seen[assignment.nodeid])
            if controls is not None:
                self._run(assignment, controls)
        result.tests = sum(controls is not None for controls in self._controls.values())
        result.seconds = _monotonic[0]() - started
        return result

    def _run(self, assignment: Assignment, controls: Controls) -> None:
        nodeid, target = assignment.nodeid, assignment.target
        for schedule in assignment.schedules:
            take = self._take(nodeid, Mission(target, schedule), frozenset([target]))
            found = symptom(nodeid, target, schedule, controls, take.recording, take.failure, self._ignore)
            if found is not None:
                self._result.symptoms.append(found)

    def _controlled(self, nodeid: str, look_at: frozenset[Target], seen: Recording) -> Controls | None:
        """Two runs without faults; None if they are not like the first pass."""
        if nodeid not in self._controls:
            takes = self._take(nodeid, None, look_at), self._take(nodeid, None, look_at)
            why = _unlike(seen, *takes)
            if why:
                self._result.refused[nodeid] = why
            first, second = (take.recording for take in takes)
            self._controls[nodeid] = controls = None if why else Controls(first, second)
            if controls is not None and (tables := controls.unsteady(self._ignore)):
                self._result.unsteady[nodeid] = ", ".join(sorted(tables))
        return self._controls[nodeid]

    def _take(self, nodeid: str, mission: Mission | None, look_at: frozenset[Target]) -> Take:
        self._result.runs += 1
        return self._rerun(nodeid, mission, look_at)


def _unlike(seen: Recording, *takes: Take) -> str:
    failure = next((take.failure for take in takes if take.failure), "")
    if failure:
        return f"it fails when it is run again without any fault: {failure}"
    if any(take.recording.outline != seen.outline for take in takes):
        return "it executes other tasks, or the same with other effects, when it is run again without any fault"
    return ""
