"""HeldClockProbe: tells of time functions that a job keeps where the virtual clock cannot replace them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe


class HeldClockProbe(BaseProbe):
    """Reports JC710, once per check.

    Args:
        places: Globals, closures and objects' attributes that the job's code uses.
        find: Takes module names, and returns sentences like `shop.Invoice.created keeps time.time`.
    """

    def __init__(self, places: Iterable[Mapping[str, Any]], find: Callable[[Iterable[str]], Sequence[str]]) -> None:
        self._modules = [str(place["__name__"]) for place in places if "__name__" in place]
        self._find = find
        self._held: Sequence[str] = ()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._held = self._find(self._modules)

    def enter(self, worker: Worker) -> None:
        """See `Probe.enter`."""
        if self._held:
            worker.oddity(
                "JC710",
                f"may see real time: {', '.join(self._held)}, which the virtual clock cannot replace there. Look the "
                "function up when it is called, as in time.time()",
            )
