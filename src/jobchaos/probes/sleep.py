"""SleepProbe: `time.sleep` lets virtual time pass, and is a step."""

from __future__ import annotations

import time
from typing import Any

from jobchaos.core.effect import Effect
from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings

_SECOND = 10**9


class SleepProbe(BaseProbe):
    """Replaces `time.sleep` for controlled workers.

    Args:
        bindings: Finds other names of the function.
    """

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._patches = Patches()
        self._control: Control | None = None
        self._genuine: Any = None

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._genuine = self._patches.set(time, "sleep", self._replacement)  # or another probe's, around this one
        self._bindings.replace(self._genuine, time.sleep)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def _replacement(self, seconds: float, /) -> None:
        control = self._control
        worker = None if control is None else control.current()
        if control is None or worker is None:
            self._genuine(seconds)
            return
        nanoseconds = round(seconds * _SECOND)
        if nanoseconds < 0:
            raise ValueError("sleep length must be non-negative")
        until = control.clock.now() + nanoseconds

        def lie() -> None:
            if not control.shares_time:
                control.clock.advance(nanoseconds)
                return
            while worker.wait("the end of its sleep", until):
                pass
            worker.unblock()

        worker.perform(Effect("sleep", f"sleep {seconds:g} s"), lie, failure=_failure)


def _failure() -> Exception:
    return InterruptedError("sleep was interrupted")
