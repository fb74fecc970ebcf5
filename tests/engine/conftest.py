"""A tiny world to run jobs in: a list that survives workers, and effects that are plain calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.compare import Fresh
from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.ports import Control, Store, Worker
from jobchaos.core.result import RunResult
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.retrying import Retrying
from jobchaos.core.schedule import Schedule
from jobchaos.core.snapshot import Snapshot, Table
from jobchaos.core.terms import AfterKill
from jobchaos.engine.copies import CopyState
from jobchaos.engine.queue import Queue
from jobchaos.engine.runner import Runner
from jobchaos.engine.stage import Stage
from jobchaos.engine.worker import Hire, ThreadWorker
from jobchaos.engine.world import World
from jobchaos.probes.base import BaseProbe


class Steps(BaseProbe):
    """A probe whose effects a job causes by calling it: `steps("write x")`."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.control: Control | None = None
        self.buried: list[str] = []
        self.threads: list[str] = []
        self.locked_by: str | None = None

    def install(self, control: Control) -> None:
        self.control = control

    def remove(self) -> None:
        self.control = None

    def bury(self, worker: Worker) -> None:
        self.buried.append(f"{worker.copy}{worker.attempt}")
        if self.locked_by == worker.copy:
            self.locked_by = None

    @property
    def worker(self) -> Worker:
        worker = None if self.control is None else self.control.current()
        assert worker is not None
        return worker

    def __call__(self, label: str, kind: str = "step") -> None:
        worker = self.worker
        self.threads.append(threading.current_thread().name)
        worker.touch("list:")
        effect = Effect(kind, label, (Touch("list:", Mode.WRITE),), durable=True)
        worker.perform(effect, lambda: self.log.append(f"{worker.copy}:{label}"), failure=lambda: OSError("no"))

    def lock(self, deadline: int | None = None) -> None:
        """Take the one lock there is, waiting for it."""
        pending = self.worker.begin(Effect("step", "lock"), lambda: OSError("no"))
        while self.locked_by is not None:
            if not self.worker.wait("the lock", deadline):
                error = TimeoutError("lock")
                pending.failed(error)
                raise error
        self.locked_by = self.worker.copy
        pending.done()

    def unlock(self) -> None:
        """A step, like a COMMIT."""
        worker = self.worker
        worker.perform(Effect("step", "unlock"), self._free, failure=lambda: OSError("no"))

    def _free(self) -> None:
        self.locked_by = None


class ListStore:
    """Holds what `Steps` writes."""

    name = "list"

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def covers(self, resource: str) -> bool:
        return resource == "list:"

    def announce(self, resource: str) -> None:
        pass

    def capture(self) -> None:
        pass

    def restore(self) -> None:
        self._steps.log.clear()
        self._steps.locked_by = None

    def snapshot(self) -> Snapshot:
        return Snapshot({"list": Table(("entry",), tuple((entry,) for entry in self._steps.log))})

    def close(self) -> None:
        pass


class StillConditions:
    """Nothing changes between runs."""

    read_clock = False
    used_random = False

    def begin_later(self) -> None:
        pass

    def begin(self, *, perturbed: int) -> None:
        pass

    def fresh(self) -> Fresh:
        return Fresh(())

    def hand_over(self) -> None:
        pass

    def take_over(self, news: None) -> None:
        pass


@dataclass
class Lab:
    """Runs a job of `steps` under a schedule."""

    steps: Steps = field(default_factory=Steps)
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(0))
    attempts: int = 4
    guard: float = 20.0
    hire: Hire = ThreadWorker
    policy: RetryPolicy | None = None

    def survey(self, job: Callable[[], object]) -> RunResult:
        return self.run(job, "A", survey=True)

    def run(
        self,
        job: Callable[[], object],
        token: str,
        *memory: Store,
        survey: bool = False,
        after_kill: AfterKill = AfterKill.REDELIVERED,
        locks: Mapping[str, str] | None = None,
    ) -> RunResult:
        world = World(lambda resource: ListStore(self.steps))
        for store in memory:
            world.remember(store)
        stage = Stage(self.clock, world)
        body = job
        if self.policy is not None:
            body = Queue(job, Retrying(self.policy), stage).deliver
            stage.fatal = self.policy.fatal
        with stage.watching([self.steps]):
            runner = Runner(
                stage,
                lambda _letter: body,
                StillConditions(),
                self.attempts,
                self.guard,
                self.hire,
                lambda letter: CopyState(letter, fate=lambda _: after_kill, lock=(locks or {}).get(letter, "")),
            )
            return runner.run(Schedule.parse(token), survey=survey)


@pytest.fixture
def lab() -> Iterator[Lab]:
    before = set(threading.enumerate())
    yield Lab()
    assert set(threading.enumerate()) == before
