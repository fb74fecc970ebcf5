"""SubprocessProbe: waiting for a process of one's own, which may never end."""

from __future__ import annotations

import functools
import os
import subprocess
import weakref
from collections.abc import Callable
from typing import Any

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Control
from jobchaos.core.schedule import Fault
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.remedies import remedy

_Process = subprocess.Popen


class SubprocessProbe(BaseProbe):
    """Asks before a controlled worker waits for a process; one that was sent a signal ends, and is waited for."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._waited_for: weakref.WeakSet[Any] = weakref.WeakSet()
        self._signalled: weakref.WeakSet[Any] = weakref.WeakSet()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._patches.set(_Process, "wait", self._waiting(_Process.wait, position=0))
        self._patches.set(_Process, "communicate", self._waiting(_Process.communicate, position=1))
        self._patches.set(_Process, "send_signal", self._signalling(_Process.send_signal))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def _waiting(self, genuine: Callable[..., Any], position: int) -> Callable[..., Any]:
        @functools.wraps(genuine)
        def wait(process: Any, *args: Any, **kwargs: Any) -> Any:
            worker = None if self._control is None else self._control.current()
            if worker is None:
                return genuine(process, *args, **kwargs)
            timeout = args[position] if len(args) > position else kwargs.pop("timeout", None)
            end = functools.partial(genuine, process, *args[:position], **kwargs)  # its own timer would be virtual
            over = process.returncode is not None or process in self._signalled or process in self._waited_for
            if worker.dead or over:
                return end()
            hang = _hang(process.args, timeout)
            fault = worker.ask(lambda: hang)
            if fault is Fault.HANG:
                worker.time_out(hang)
            if fault is Fault.SLOW:
                worker.linger(hang)
            self._waited_for.add(process)  # `communicate` waits, too
            try:
                result = end()
            finally:
                self._waited_for.discard(process)
            if fault is Fault.LATE:
                worker.time_out(hang)
            return result

        return wait

    def _signalling(self, genuine: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(genuine)
        def send_signal(process: Any, *args: Any, **kwargs: Any) -> None:
            self._signalled.add(process)
            genuine(process, *args, **kwargs)

        return send_signal


def _hang(command: Any, timeout: float | None) -> Hang:
    name = command if isinstance(command, str | bytes | os.PathLike) else next(iter(command), "")
    return Hang(
        f"process:{os.path.basename(os.fsdecode(name).partition(' ')[0])}",
        timeout,
        lambda: subprocess.TimeoutExpired(command, timeout or 0),
        remedy("process.wait(timeout=...), or process.communicate(timeout=...)"),
    )
