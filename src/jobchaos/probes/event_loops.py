"""EventLoopProbe: a job that calls `asyncio.run` itself gets an event loop whose timers fire in virtual time.

And what asyncio leaves to chance, the order in which `as_completed` begins with coroutines, is that of the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings


class EventLoopProbe(BaseProbe):
    """Replaces `asyncio.new_event_loop`, which `asyncio.run` and `asyncio.Runner` call, for controlled workers.

    Args:
        bindings: Finds other names of the functions.
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
        in_no_order: Callable[..., Any] = asyncio.as_completed

        def as_completed(fs: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
            if control.current() is None or asyncio.isfuture(fs) or asyncio.iscoroutine(fs):  # refuses these two
                return in_no_order(fs, *args, **kwargs)
            return in_no_order([asyncio.ensure_future(each) for each in dict.fromkeys(fs)], *args, **kwargs)

        self._patches.set(asyncio.tasks, "as_completed", as_completed)
        self._patches.set(asyncio, "as_completed", as_completed)
        self._bindings.replace(in_no_order, as_completed)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
