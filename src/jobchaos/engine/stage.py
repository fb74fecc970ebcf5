"""Stage: what all workers of one check share - the clock, the world, the probes and the trace being written."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context, ContextVar
from typing import Protocol

from jobchaos.core.conditions import Clock
from jobchaos.core.effect import Effect, Foreign
from jobchaos.core.ports import Probe, Worker
from jobchaos.core.tenures import moments_to_come
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.engine.death import unreported
from jobchaos.engine.world import World
from jobchaos.errors import ForeignHostError

_of_task: ContextVar[Worker | None] = ContextVar("jobchaos_worker", default=None)
_HOUR = 3600 * 10**9
_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[?::1\]?)?")


class Registry(Protocol):
    """Where touched resources and foreign effects are registered: the world, or the way to it."""

    def announce(self, resource: str) -> None:
        """A resource is about to be touched: make sure that a store has captured it."""

    def record(self, foreign: Foreign) -> None:
        """Enter a foreign effect into its ledger."""

    def knows(self, foreign: Foreign) -> bool:
        """True if one of the same identity has been entered."""


class _Here(threading.local):
    """Who the calling thread runs: one worker, or one worker a context, as tasks of an event loop have them."""

    runs_tasks = False
    _worker: Worker | None = None

    @property
    def worker(self) -> Worker | None:
        return _of_task.get() if self.runs_tasks else self._worker

    @worker.setter
    def worker(self, worker: Worker | None) -> None:
        if self.runs_tasks:
            _of_task.set(worker)
        else:
            self._worker = worker


class Stage:
    """The `Control` that probes see, and the record that workers write to.

    Args:
        clock: Virtual time.
        world: The stores.
        hosts: Hosts that may be reached besides this machine.
        horizon: Nanoseconds after which nobody waits any more for a lease to run out.
    """

    def __init__(self, clock: Clock, world: World, hosts: tuple[str, ...] = (), horizon: int = _HOUR) -> None:
        self.clock = clock
        self.world = world
        self.registry: Registry = world
        self.probes: list[Probe] = []
        self._heeding: dict[str, list[Probe]] = {}
        self.fails = False
        """True while a schedule runs in which a call fails."""
        self.shares_time = False
        """True while a run lets copies sleep at the same time: then who sleeps must wait for time to pass."""
        self.late = False
        """True while one runs in which retries come as late as they may."""
        self.perturbed = 0
        """The number of the run, see `Conditions.begin`: its workers have names of their own, as random values."""
        self.fatal: tuple[type[BaseException], ...] = ()
        """Errors that the job's policies call fatal."""
        self.error: Exception | None = None
        """Why the check cannot go on; set by `stop`."""
        self._hosts = hosts
        self._horizon = horizon
        self._installed = contextlib.ExitStack()
        self._here = _Here()
        self._events: list[TraceEvent] = []
        self._amended: dict[int, None] = {}
        self._oddities: dict[tuple[str, str], None] = {}

    @contextlib.contextmanager
    def watching(self, probes: Sequence[Probe]) -> Iterator[None]:
        """Install probes, and remove all whatever happens."""
        with unreported(lambda: self.current() is not None), self._installed:
            for probe in probes:
                self.add(probe)
            yield

    def add(self, probe: Probe) -> None:
        """Install one more probe, until `watching` ends."""
        self._installed.callback(probe.remove)
        probe.install(self)
        self.probes.append(probe)
        self._heeding.clear()

    def heeding(self, call: str) -> Sequence[Probe]:
        """The probes that do something at a call of `Probe`."""
        known = self._heeding.get(call)
        if known is None:
            known = self._heeding[call] = [probe for probe in self.probes if _heeds(probe, call)]
        return known

    def current(self) -> Worker | None:
        """See `Control.current`."""
        return self._here.worker

    def run_tasks(self) -> None:
        """From now on the calling thread is an event loop's: what it runs belongs to the worker of its context."""
        self._here.runs_tasks = True

    @staticmethod
    def worker_of(context: Context) -> Worker | None:
        """To whom a callback or a task of an event loop belongs."""
        return context.get(_of_task)

    def let_go(self) -> None:
        """See `Control.let_go`."""
        self._here.worker = None

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """See `Control.hidden`."""
        worker, self._here.worker = self._here.worker, None
        try:
            yield
        finally:
            self._here.worker = worker

    def check_host(self, host: str) -> None:
        """See `Control.check_host`."""
        if _LOOPBACK.fullmatch(host) or host in self._hosts:
            return
        error = ForeignHostError(
            f"the job tried to reach {host!r}. A check repeats the job many times and would send everything again "
            f"each time, so only this machine may be reached. Point the job at a local server or a fake in the test, "
            f"or allow the host: @pytest.mark.jobchaos(allow=[{host!r}])."
        )
        self.stop(error)
        raise error

    def announce(self, resource: str) -> None:
        """A worker is about to touch a resource."""
        with self.hidden():  # what a store does now, in the worker's thread
            self.registry.announce(resource)

    def begin(self, *, fails: bool, late: bool, shares_time: bool = False) -> None:
        """A schedule begins: see the attributes of these names."""
        self.fails, self.late, self.shares_time = fails, late, shares_time

    def stop(self, error: Exception) -> None:
        """The check cannot go on; the controller raises `error` as soon as it moves."""
        if self.error is None:
            self.error = error

    def enter(self, worker: Worker) -> None:
        """The calling thread now runs `worker`."""
        self._here.worker = worker
        for probe in self.heeding("enter"):
            probe.enter(worker)

    def leave(self, worker: Worker) -> None:
        """The calling thread does not run `worker` any more."""
        for probe in self.heeding("leave"):
            probe.leave(worker)
        self._here.worker = None

    def oddity(self, code: str, message: str) -> None:
        """Remember something that the verdict must mention, once."""
        self._oddities[code, message] = None

    def note(
        self,
        happening: Happening,
        copy: str,
        attempt: int,
        effect: Effect | None,
        detail: str,
        *,
        applied: bool = True,
        changed: bool = True,
    ) -> Callable[[str], None]:
        """Enter an event into the trace; return what changes its detail, while the trace is not taken."""
        return self.append(TraceEvent(happening, copy, attempt, effect, detail, self.clock.now(), applied, changed))

    def append(self, event: TraceEvent) -> Callable[[str], None]:
        """Enter an event that was made elsewhere; see `note`."""
        events, amended, position = self._events, self._amended, len(self._events)
        events.append(event)

        def amend(detail: str) -> None:
            events[position] = events[position].amended(detail)
            amended[position] = None

        return amend

    @property
    def moments_to_come(self) -> list[int]:
        """When leases run out, and what other times the job has stated in this run: those within the horizon."""
        now = self.clock.now()
        return [moment for moment in moments_to_come(self._events, now) if moment <= now + self._horizon]

    def until_all_ran_out(self, *, unstated: bool) -> int:
        """Nanoseconds until none of them is to come.

        Args:
            unstated: Whether something may run out that nobody has stated: then it is the whole horizon.
        """
        longest = max((moment - self.clock.now() for moment in self.moments_to_come), default=0)
        return longest or self._horizon * unstated

    def take_trace(self) -> tuple[Trace, tuple[tuple[str, str], ...]]:
        """The trace and the oddities since the last call; begins new ones."""
        trace = Trace(tuple(self._events))
        self._events, self._amended = [], {}
        return trace, self.take_oddities()

    def take_oddities(self) -> tuple[tuple[str, str], ...]:
        """The oddities since the last call."""
        oddities, self._oddities = tuple(self._oddities), {}
        return oddities

    def news(self, known: int) -> tuple[tuple[TraceEvent, ...], dict[int, str]]:
        """What the trace has to tell to somebody who has read its first `known` events.

        Returns:
            The further events, and the new details of known ones by their position.
        """
        changed = {position: self._events[position].detail for position in self._amended if position < known}
        self._amended.clear()
        return tuple(self._events[known:]), changed


def _heeds(probe: Probe, call: str) -> bool:
    heeds: Callable[[str], bool] | None = getattr(probe, "heeds", None)
    return heeds is None or heeds(call)
