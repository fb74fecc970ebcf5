"""EventLoopProbe: a job that calls `asyncio.run` itself gets an event loop whose timers fire in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings


class EventLoopProbe(BaseProbe):
    """Replaces `asyncio.new_event_loop`, which `asyncio.run` and `asyncio.Runner` call, for controlled workers.

    Args:
        bindings: Finds other names of the function.
        make: Makes such a loop.
    """

    def __init__(self, bindings: Bindings, make: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._bindings = bindings
        self._make = make
        self._patches = Patches()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        genuine = asyncio.new_event_loop

        def new_event_loop() -> asyncio.AbstractEventLoop:
            return genuine() if control.current() is None else self._make()

        self._patches.set(asyncio.events, "new_event_loop", new_event_loop)
        self._patches.set(asyncio, "new_event_loop", new_event_loop)
        self._bindings.replace(genuine, new_event_loop)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
