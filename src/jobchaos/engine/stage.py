"""Stage: what all workers of one check share - the clock, the world, the probes and the trace being written."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence

from jobchaos.core.effect import Effect
from jobchaos.core.ports import Clock, Probe, Worker
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.engine.world import World
from jobchaos.errors import ForeignHostError

_LOOPBACK = ("localhost", "::1", "[::1]", "")


class Stage:
    """The `Control` that probes see, and the record that workers write to.

    Args:
        clock: Virtual time.
        world: The stores.
        hosts: Hosts that may be reached besides this machine.
    """

    def __init__(self, clock: Clock, world: World, hosts: tuple[str, ...] = ()) -> None:
        self.clock = clock
        self.world = world
        self.probes: list[Probe] = []
        self.error: Exception | None = None
        """Why the check cannot go on; set by `stop`."""
        self._hosts = hosts
        self._installed = contextlib.ExitStack()
        self._local = threading.local()
        self._events: list[TraceEvent] = []
        self._oddities: dict[tuple[str, str], None] = {}

    @contextlib.contextmanager
    def watching(self, probes: Sequence[Probe]) -> Iterator[None]:
        """Install probes, and remove all whatever happens."""
        with self._installed:
            for probe in probes:
                self.add(probe)
            yield

    def add(self, probe: Probe) -> None:
        """Install one more probe, until `watching` ends."""
        self._installed.callback(probe.remove)
        probe.install(self)
        self.probes.append(probe)

    def current(self) -> Worker | None:
        """See `Control.current`."""
        return getattr(self._local, "worker", None)

    def check_host(self, host: str) -> None:
        """See `Control.check_host`."""
        if host in _LOOPBACK or host.startswith("127.") or host in self._hosts:
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
        self.world.announce(resource)

    def stop(self, error: Exception) -> None:
        """The check cannot go on; the controller raises `error` as soon as it moves."""
        if self.error is None:
            self.error = error

    def enter(self, worker: Worker) -> None:
        """The calling thread now runs `worker`."""
        self._local.worker = worker
        for probe in self.probes:
            probe.enter(worker)

    def leave(self, worker: Worker) -> None:
        """The calling thread does not run `worker` any more."""
        for probe in self.probes:
            probe.leave(worker)
        self._local.worker = None

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
    ) -> Callable[[str], None]:
        """Enter an event into the trace; return what changes its detail, while the trace is not taken."""
        events, position = self._events, len(self._events)
        events.append(TraceEvent(happening, copy, attempt, effect, detail, self.clock.now(), applied))

        def amend(detail: str) -> None:
            events[position] = dataclasses.replace(events[position], detail=detail)

        return amend

    def take_trace(self) -> tuple[Trace, tuple[tuple[str, str], ...]]:
        """The trace and the oddities since the last call; begins new ones."""
        trace, oddities = Trace(tuple(self._events)), tuple(self._oddities)
        self._events, self._oddities = [], {}
        return trace, oddities
