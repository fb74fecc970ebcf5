"""What our simulation predicts, and what real workers do: to be compared, and shown side by side."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobchaos.baseline import CLEAN
from jobchaos.core.job import Job
from jobchaos.core.schedule import Schedule
from jobchaos.core.settings import Settings
from jobchaos.workbench import Workbench
from tests.adapters import steps

ROOT = Path(__file__).parents[2]
ORDER, LAST = "order", "last"
"""The job that meets trouble, and one that shows that the queue has been worked off."""


@dataclass(frozen=True)
class Course:
    """How one job fared: its steps, in the order in which they happened."""

    steps: tuple[int, ...]

    @property
    def executions(self) -> int:
        """How often it began."""
        return self.steps.count(0)

    def __str__(self) -> str:
        done = "done" if steps.STEPS - 1 in self.steps else "never done"
        return f"{self.executions} executions, steps {' '.join(map(str, self.steps))}, {done}"


class Stage:
    """Where one scenario takes place."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.name = f"jobchaos_test_{uuid.uuid4().hex[:12]}"
        self._monkeypatch = monkeypatch
        self._workers: list[subprocess.Popen[bytes]] = []
        monkeypatch.setenv(steps.DATABASE, str(folder / "steps.db"))
        steps.create()

    def predicted(self, job: Job, token: str, settings: Settings | None = None) -> Course:
        """What our simulation does under a schedule."""
        bench = Workbench([job], [], settings or Settings(profile="quick"))
        with bench.opened():
            runner = bench.runner()
            runner.run(CLEAN)
            runner.run(Schedule.parse(token))
            course = self.observed()
            bench.world.restore()
        return course

    def observed(self) -> Course:
        """What has happened so far."""
        return Course(steps.rows(ORDER))

    def work(self, *command: str, trouble: str = "", **environment: str) -> None:
        """Start a worker: `python -m` command, in a session of its own."""
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        given = {**os.environ, **environment, "PYTHONPATH": paths, steps.TROUBLE: trouble}
        with (self.folder / f"worker{len(self._workers)}.log").open("wb") as log:
            self._workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", *command],
                    cwd=self.folder,
                    env=given,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Wait for something real, for a bounded time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if until():
                return True
            time.sleep(0.05)
        return until()

    def dies(self, seconds: float = 20) -> None:
        """Wait until the worker that was started last is dead."""
        assert self.wait(lambda: self._workers[-1].poll() is not None, seconds), self.logs()

    def proves(
        self, what: str, predicted: Course, last: Callable[[], object], *, within: float, grace: float = 0
    ) -> None:
        """Wait for what is predicted; then see whether more comes, for a while and until one more job is done.

        Both are printed, as one row of the table, and must be the same.
        """
        self.wait(lambda: len(steps.rows(ORDER)) >= len(predicted.steps), within)
        self.wait(lambda: len(steps.rows(ORDER)) > len(predicted.steps), grace)
        last()
        assert self.wait(lambda: len(steps.rows(LAST)) >= steps.STEPS, 8), self.logs()
        observed = self.observed()
        print(f"{what}\n    predicted  {predicted}\n    observed   {observed}")
        assert observed == predicted

    def logs(self) -> str:
        """What the workers have printed."""
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("worker*.log")))

    def end(self) -> None:
        """Kill all workers with all that they have started."""
        for worker in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def service(variable: str, local: str, answers: Callable[[str], object]) -> str:
    """The address of a server: from the environment, or the local one; else the test is skipped, or fails in CI."""
    address = os.environ.get(variable, local)
    try:
        answers(address)
    except Exception as error:  # noqa: BLE001 - each client has its own
        text = f"no server at {address} ({type(error).__name__}: {error}); give one in {variable}"
        if os.environ.get("JOBCHAOS_REQUIRE_SERVICES") == "1":
            pytest.fail(text)
        pytest.skip(text)
    return address


def redis_url() -> str:
    """The address of a Redis server."""
    return service("JOBCHAOS_REDIS", "redis://127.0.0.1:6379/0", _redis_answers)


def forget(connection: Any, name: str) -> None:
    """Delete all that belongs to one scenario from Redis."""
    keys = [key for key in connection.scan_iter(count=1000) if name.encode() in key]
    jobs = [key for key in connection.scan_iter("rq:job:*", count=1000) if _is_of(connection, key, name)]
    keys += [*jobs, *(key.replace(b"rq:job:", b"rq:results:") for key in jobs)]
    if keys:
        connection.delete(*keys)


def _is_of(connection: Any, key: bytes, queue: str) -> bool:
    return bool(connection.type(key) == b"hash" and connection.hget(key, "origin") == queue.encode())


def _redis_answers(url: str) -> None:
    import redis

    redis.Redis.from_url(url).ping()


@contextlib.contextmanager
def scenario(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """One scenario, after which no process is left."""
    stage = Stage(folder, monkeypatch)
    try:
        yield stage
    finally:
        stage.end()
