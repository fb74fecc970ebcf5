"""SelectProbe: a job's own waits for several sockets or pipes at once, on which nothing may ever come.

Libraries that wait so are watched by probes of their own, or in the sockets that they go on to read. So only calls that
the project's code makes itself count.
"""

from __future__ import annotations

import functools
import select
import selectors
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Control, Worker
from jobchaos.core.project import is_project_file
from jobchaos.core.schedule import Fault
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.exchange import is_faked
from jobchaos.probes.sockets import SocketProbe, peer_of

_ANSWER = 1.0  # real seconds; only this machine may be reached, and it answers sooner or not at all
_KINDS = ("SelectSelector", "PollSelector", "EpollSelector", "DevpollSelector", "KqueueSelector")


class SelectProbe(BaseProbe):
    """Asks before the job waits in `select.select` or in a selector; a wait that is in vain finds nothing ready.

    Args:
        bindings: Finds other names of `select.select`.
        sockets: Knows whose answers come too late.
    """

    def __init__(self, bindings: Bindings, sockets: SocketProbe) -> None:
        self._bindings = bindings
        self._sockets = sockets
        self._patches = Patches()
        self._control: Control | None = None

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        genuine = select.select

        def selecting(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /) -> Any:
            worker = self._asking(timeout)
            if worker is None:
                return genuine(rlist, wlist, xlist, timeout)
            files = (*rlist, *wlist, *xlist)
            hang = Hang(_far(files), timeout, None, "select.select(..., timeout)")
            return self._waited(worker, hang, files, functools.partial(genuine, rlist, wlist, xlist), ([], [], []))

        self._patches.set(select, "select", selecting)
        self._bindings.replace(genuine, selecting)
        for kind in (getattr(selectors, name, None) for name in _KINDS):
            if kind is not None:
                self._patches.put(kind, "select", self._selector(kind.select))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def _selector(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        def selecting(selector: Any, timeout: float | None = None) -> Any:
            worker = self._asking(timeout)
            if worker is None:
                return genuine(selector, timeout)
            files = [key.fileobj for key in selector.get_map().values()]
            hang = Hang(_far(files), timeout, None, "selector.select(timeout=...)")
            return self._waited(worker, hang, files, functools.partial(genuine, selector), [])

        return selecting

    def _asking(self, timeout: float | None) -> Worker | None:
        """Who waits; None if nobody does that is to be asked for."""
        worker = None if self._control is None else self._control.current()
        never_waits = timeout is not None and timeout <= 0
        caller = sys._getframe(2)  # noqa: SLF001 - the documented way to walk frames
        if worker is None or worker.dead or never_waits or is_faked():
            return None
        return worker if is_project_file(caller.f_code.co_filename) else None

    def _waited(
        self, worker: Worker, hang: Hang, files: Iterable[Any], call: Callable[[float | None], Any], nothing: Any
    ) -> Any:
        """What a call that waits comes to.

        Args:
            worker: Who waits.
            hang: How long, and so on.
            files: What for.
            call: Waits in earnest, for so many seconds.
            nothing: What it returns when they are over.
        """
        fault = worker.ask(lambda: hang) or next(filter(None, map(self._sockets.fault_of, files)), None)
        if fault is Fault.SLOW:
            worker.linger(hang)
        found = nothing if fault is Fault.HANG else call(hang.timeout and min(hang.timeout, _ANSWER))
        if fault in (Fault.HANG, Fault.LATE):
            worker.time_out(hang)
            return nothing
        if found == nothing and self._control is not None:
            self._control.clock.advance(hang.nanoseconds or 0)
        return found


def _far(files: Iterable[Any]) -> str:
    sockets = (file for file in files if isinstance(file, socket.socket))
    return next((f"host:{peer_of(file)}" for file in sockets), "pipe:a pipe")
