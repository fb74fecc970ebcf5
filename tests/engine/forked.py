"""Runs jobs of file-writing steps in forked workers: what they do must be seen from outside."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.compare import Fresh
from jobchaos.core.effect import Effect, Foreign, Mode, Touch
from jobchaos.core.ports import Control, Worker
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.snapshot import Snapshot, Table
from jobchaos.engine.fork import Forks
from jobchaos.engine.runner import Runner
from jobchaos.engine.stage import Stage
from jobchaos.engine.world import World
from jobchaos.probes.base import BaseProbe


class Lines(BaseProbe):
    """A probe whose effects a job causes by calling it; each appends a line to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.control: Control | None = None
        self.forks: list[int] = []
        self.resumed: list[int] = []
        self.news: list[Any] = []

    def install(self, control: Control) -> None:
        self.control = control

    def remove(self) -> None:
        self.control = None

    def after_fork(self) -> None:
        self.forks.append(os.getpid())

    def resume(self, worker: Worker) -> None:
        self.resumed.append(os.getpid())

    def hand_over(self) -> tuple[list[int], list[int]]:
        return self.forks, self.resumed

    def take_over(self, news: tuple[list[int], list[int]]) -> None:
        self.news.append(news)

    @property
    def worker(self) -> Worker:
        worker = None if self.control is None else self.control.current()
        assert worker is not None
        return worker

    def __call__(self, label: str, kind: str = "step") -> None:
        worker = self.worker
        worker.touch("lines:")
        effect = Effect(kind, label, (Touch("lines:", Mode.WRITE),), durable=True)
        worker.perform(effect, lambda: self.append(f"{worker.copy}{label}"), failure=lambda: OSError("no"))

    def append(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{line}\n")

    def lock(self) -> None:
        """Create the lock file, or wait for it."""
        worker = self.worker
        pending = worker.begin(Effect("step", "lock"), lambda: OSError("no"))
        while True:
            try:
                os.close(os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                worker.wait("lock:lines", None)
        pending.done()

    def unlock(self) -> None:
        self.worker.perform(Effect("step", "unlock"), self.path.with_suffix(".lock").unlink, failure=OSError)


class LineStore:
    """Holds what `Lines` writes, and counts foreign effects."""

    name = "lines"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records: list[Foreign] = []
        self.announced: list[tuple[str, int]] = []

    def covers(self, resource: str) -> bool:
        return True

    def announce(self, resource: str) -> None:
        self.announced.append((resource, os.getpid()))

    def capture(self) -> None:
        pass

    def restore(self) -> None:
        self._path.write_text("")
        self._path.with_suffix(".lock").unlink(missing_ok=True)
        self.records.clear()

    def snapshot(self) -> Snapshot:
        return Snapshot({"lines": Table(("line",), tuple((line,) for line in self._path.read_text().split()))})

    def record(self, foreign: Foreign) -> None:
        self.records.append(foreign)

    def close(self) -> None:
        pass


class CountedConditions:
    """Counts how often a worker says that it was handed something."""

    read_clock = False
    used_random = False

    def __init__(self) -> None:
        self.handed_out: list[str] = []

    def begin_later(self) -> None:
        pass

    def begin(self, *, perturbed: int) -> None:
        self.handed_out.clear()

    def fresh(self) -> Fresh:
        return Fresh(tuple(value.encode() for value in self.handed_out))

    def hand_over(self) -> list[str]:
        handed_out, self.handed_out = self.handed_out, []
        return handed_out

    def take_over(self, news: list[str]) -> None:
        self.handed_out += news


@dataclass
class ForkLab:
    """`lab.run(job, token)`: with forked workers."""

    path: Path
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(0))
    conditions: CountedConditions = field(default_factory=CountedConditions)
    attempts: int = 4
    guard: float = 20.0

    def __post_init__(self) -> None:
        self.path.touch()
        self.lines = Lines(self.path)
        self.store = LineStore(self.path)

    def run(self, job: Callable[[], object], token: str) -> RunResult:
        with self.runner(job) as runner:
            return runner.run(Schedule.parse(token))

    @contextlib.contextmanager
    def runner(self, job: Callable[[], object], world: World | None = None) -> Iterator[Runner]:
        stage = Stage(self.clock, world or World(lambda _: self.store))
        with Forks(self.conditions) as hire, stage.watching([self.lines]):
            yield Runner(stage, lambda _letter: job, self.conditions, self.attempts, self.guard, hire)

    @property
    def log(self) -> list[str]:
        return self.path.read_text().split()
