"""HeldClockProbe: time functions that a job keeps elsewhere than in a module's globals show virtual time, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe


class Held(Protocol):
    """A time function that is kept somewhere: `shop.Invoice.created keeps time.time`."""

    @property
    def can_be_replaced(self) -> bool:
        """True if virtual time can be shown there."""

    def show(self) -> Callable[[], None]:
        """Show virtual time there, and return what undoes that."""


class HeldClockProbe(BaseProbe):
    """Replaces them while a worker moves; reports JC710 of those that cannot be replaced, once per check.

    Args:
        places: Globals, closures and objects' attributes that the job's code uses.
        find: Takes module names, and returns what these keep.
    """

    def __init__(self, places: Iterable[Mapping[str, Any]], find: Callable[[Iterable[str]], Sequence[Held]]) -> None:
        self._modules = [str(place["__name__"]) for place in places if "__name__" in place]
        self._find = find
        self._held: Sequence[Held] = ()
        self._undo: list[Callable[[], None]] = []

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._held = self._find(self._modules)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._hide()
        self._held = ()

    def enter(self, worker: Worker) -> None:
        """See `Probe.enter`."""
        stuck = [str(held) for held in self._held if not held.can_be_replaced]
        if stuck:
            worker.oddity(
                "JC710",
                f"may see real time: {', '.join(stuck)}, which the virtual clock cannot replace there. Look the "
                "function up when it is called, as in time.time()",
            )

    def resume(self, worker: Worker) -> None:
        """See `Probe.resume`."""
        self._hide()
        self._undo = [held.show() for held in self._held]

    def pause(self, worker: Worker) -> None:
        """See `Probe.pause`: whoever looks at the state between two moves sees it as it is."""
        self._hide()

    def _hide(self) -> None:
        while self._undo:
            self._undo.pop()()
