"""SubprocessProbe: waiting for a process of one's own, which may never end."""

from __future__ import annotations

import asyncio.subprocess
import contextlib
import functools
import os
import subprocess
import weakref
from collections.abc import Callable
from typing import Any

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Control, Worker
from jobchaos.core.schedule import Fault
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.remedies import remedy

_Process = subprocess.Popen
_Awaited = asyncio.subprocess.Process


class SubprocessProbe(BaseProbe):
    """Asks before a controlled worker waits for a process; one that was sent a signal ends, and is waited for."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._waited_for: weakref.WeakSet[Any] = weakref.WeakSet()
        self._signalled: weakref.WeakSet[Any] = weakref.WeakSet()
        self._unheard: weakref.WeakSet[Any] = weakref.WeakSet()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._patches.set(_Process, "wait", self._waiting(_Process.wait, position=0))
        self._patches.set(_Process, "communicate", self._waiting(_Process.communicate, position=1))
        self._patches.set(_Process, "send_signal", self._signalling(_Process.send_signal))
        self._patches.set(_Awaited, "wait", self._awaiting(_Awaited.wait))
        self._patches.set(_Awaited, "communicate", self._awaiting(_Awaited.communicate))
        for name in ("send_signal", "terminate", "kill"):
            self._patches.set(_Awaited, name, self._signalling(getattr(_Awaited, name)))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def _asking(self, process: Any) -> Worker | None:
        """Who waits for a process that may not end; None if nobody controls it, or if the process is known to end."""
        worker = None if self._control is None else self._control.current()
        over = process.returncode is not None or process in self._signalled or process in self._waited_for
        return None if worker is None or worker.dead or over else worker

    def _waiting(self, genuine: Callable[..., Any], position: int) -> Callable[..., Any]:
        @functools.wraps(genuine)
        def wait(process: Any, *args: Any, **kwargs: Any) -> Any:
            if self._control is None or self._control.current() is None:
                return genuine(process, *args, **kwargs)
            timeout = args[position] if len(args) > position else kwargs.pop("timeout", None)
            end = functools.partial(genuine, process, *args[:position], **kwargs)  # its own timer would be virtual
            worker = self._asking(process)
            if worker is None:
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

    def _awaiting(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        """A process of asyncio's: it is for the job's own timers to end the wait, when it has ended in earnest."""

        @functools.wraps(genuine)
        async def wait(process: Any, *args: Any, **kwargs: Any) -> Any:
            worker = self._asking(process)
            if worker is None:
                return await genuine(process, *args, **kwargs)
            command = process._transport._proc.args  # noqa: SLF001 - it is nowhere else
            fault = worker.ask(lambda: _hang(command, None, _AROUND))
            self._waited_for.add(process)
            try:
                result = await genuine(process, *args, **kwargs)
            finally:
                self._waited_for.discard(process)
            if fault in (Fault.HANG, Fault.LATE):
                self._unheard.add(process)
                await asyncio.get_running_loop().create_future()
            return result

        return wait

    def _signalling(self, genuine: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(genuine)
        def send_signal(process: Any, *args: Any, **kwargs: Any) -> None:
            self._signalled.add(process)
            is_gone = contextlib.suppress(ProcessLookupError) if process in self._unheard else contextlib.nullcontext()
            with is_gone:
                genuine(process, *args, **kwargs)

        return send_signal


_OWN = "process.wait(timeout=...), or process.communicate(timeout=...)"
_AROUND = "asyncio.timeout(...) or asyncio.wait_for(..., timeout=...) around it"


def _hang(command: Any, timeout: float | None, advice: str = _OWN) -> Hang:
    name = command if isinstance(command, str | bytes | os.PathLike) else next(iter(command), "")
    return Hang(
        f"process:{os.path.basename(os.fsdecode(name).partition(' ')[0])}",
        timeout,
        lambda: subprocess.TimeoutExpired(command, timeout or 0),
        remedy(advice),
    )
