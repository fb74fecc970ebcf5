"""Runs a job under a schedule with real probes, without stores: what was seen is the result."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from jobchaos.clock.virtual import VirtualClock
from jobchaos.conformance.trial_run import SameConditions
from jobchaos.core.effect import Effect, Foreign
from jobchaos.core.ports import Probe
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Schedule
from jobchaos.core.snapshot import Snapshot, Table
from jobchaos.core.trace import Happening
from jobchaos.engine.runner import Runner
from jobchaos.engine.stage import Stage
from jobchaos.engine.world import World
from jobchaos.probes.bindings import Bindings


@dataclass
class Recorder:
    """A ledger for everything, which forgets nothing but at a restore."""

    name: str = "everything"
    records: list[Foreign] = field(default_factory=list)

    def covers(self, resource: str) -> bool:
        return True

    def announce(self, resource: str) -> None:
        pass

    def capture(self) -> None:
        pass

    def restore(self) -> None:
        self.records.clear()

    def snapshot(self) -> Snapshot:
        return Snapshot({"records": Table(("values",), tuple((repr(item.values),) for item in self.records))})

    def close(self) -> None:
        pass

    def record(self, foreign: Foreign) -> None:
        self.records.append(foreign)


@dataclass
class Watch:
    """`watch(job, token)` with the probes that the test asks for."""

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(0))
    recorder: Recorder = field(default_factory=Recorder)
    bindings: Bindings = field(default_factory=Bindings)
    hosts: tuple[str, ...] = ()

    def __call__(self, job: Callable[[], object], token: str, *probes: Probe) -> RunResult:
        stage = Stage(self.clock, World(lambda _: self.recorder), self.hosts)
        with stage.watching([*probes, self.bindings]):
            runner = Runner(stage, lambda _letter: job, SameConditions(self.clock), attempts=4, guard=20.0)
            return runner.run(Schedule.parse(token))


def seen(run: RunResult) -> list[str]:
    """Labels of the effects that were tried, with how each ended."""
    return [
        f"{event.effect.label} {event.detail}".strip()
        for event in run.trace.events
        if event.happening is Happening.EFFECT and event.effect is not None
    ]


def effects(run: RunResult) -> Sequence[Effect]:
    """The effects themselves."""
    return run.trace.effects()


@pytest.fixture
def watch() -> Iterator[Watch]:
    yield Watch()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("jobchaos")] == []


@pytest.fixture(scope="module")
def silent() -> Iterator[int]:
    """The port of a server that is connected to, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def full() -> Iterator[int]:
    """The port of a server to which nobody can connect any more: Linux does not even refuse."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(server.getsockname())
        yield server.getsockname()[1]
