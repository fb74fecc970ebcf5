"""JitterProbe: libraries that retry within a job draw their delays at the ends of the interval."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches

_DRAWING = ("tenacity.wait", "stamina._core", "backoff._jitter")
"""Modules that draw delays by `random.random` and `random.uniform`."""


class JitterProbe(BaseProbe):
    """Replaces `random` in modules that draw delays, if the user's program has imported them.

    Args:
        share: Gives 0 if delays are to be as short as they can be, 1 if as long, or what is between; None if as they
            come.
    """

    def __init__(self, share: Callable[[], float | None]) -> None:
        self._share = share
        self._patches = Patches()
        self._control: Control | None = None

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        for name in _DRAWING:
            module = sys.modules.get(name)
            if module is not None and vars(module).get("random") is random:
                self._patches.set(module, "random", _Drawing(self._present))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None

    def _present(self) -> float | None:
        controlled = self._control is not None and self._control.current() is not None
        return self._share() if controlled else None


class _Drawing:
    """In place of the module `random`."""

    def __init__(self, share: Callable[[], float | None]) -> None:
        self._share = share

    def random(self) -> float:
        share = self._share()
        return random.random() if share is None else share  # noqa: S311 - what the library would do

    def uniform(self, low: float, high: float) -> float:
        share = self._share()
        return random.uniform(low, high) if share is None else low + share * (high - low)  # noqa: S311

    def __getattr__(self, name: str) -> Any:
        return getattr(random, name)
