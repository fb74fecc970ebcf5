"""A runner without workers: what each schedule leaves is written down, or computed from its token."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import cast

from jobchaos.core.budget import Budget
from jobchaos.core.compare import Fresh
from jobchaos.core.events import Event
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.engine.runner import Runner
from jobchaos.trials import Driver, Memory, Trials
from tests.oracle.builders import judge, run, world

CLEAN = world((1, 10))
TWICE = world((1, 20))


class ScriptedRunner:
    """Answers `Runner.run`.

    Args:
        points: Takes a schedule's token, and gives the points that it leaves; 10 is right.
        changes: Replaces fields of every result.
    """

    def __init__(self, points: Callable[[str], int], **changes: object) -> None:
        self.asked: list[str] = []
        self._points = points
        self._changes = changes

    @property
    def fresh(self) -> Fresh:
        return Fresh(())

    def run(self, schedule: Schedule, *, perturbed: int = 0) -> RunResult:
        assert not perturbed
        self.asked.append(str(schedule))
        result = run(str(schedule), world((1, self._points(str(schedule)))))
        return dataclasses.replace(result, **self._changes)  # type: ignore[arg-type]  # fields by name


class Shelf:
    """A `Memory` in a dictionary."""

    def __init__(self, *tokens: str) -> None:
        self.fails = {Schedule.parse(token): True for token in tokens}

    def recall(self) -> list[Schedule]:
        return sorted((schedule for schedule, fails in self.fails.items() if fails), key=lambda one: one.simplicity)

    def update(self, fails: Mapping[Schedule, bool]) -> None:
        self.fails |= fails


def trials(
    runner: ScriptedRunner,
    *,
    budget: Budget | None = None,
    driver: Driver | None = None,
    memory: Memory | None = None,
    events: list[Event] | None = None,
) -> Trials:
    heard: list[Event] = [] if events is None else events
    return Trials(
        "pays()",
        cast("Runner", runner),
        judge(CLEAN),
        limits=budget or Budget(100),
        listener=heard.append,
        driver=driver,
        memory=None if memory is None else lambda _family: memory,
    )
