"""BaseProbe and Patches: what all probes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.core.ports import Control, Worker


class BaseProbe:
    """A probe that does nothing; subclasses override what they need."""

    def heeds(self, call: str) -> bool:
        """See `Probe`: only what a subclass overrides need be called, and few override much."""
        return getattr(getattr(self, call), "__func__", None) is not getattr(BaseProbe, call)

    def install(self, control: Control) -> None:
        """See `Probe.install`."""

    def remove(self) -> None:
        """See `Probe.remove`."""

    def resume(self, worker: Worker) -> None:
        """See `Probe.resume`."""

    def pause(self, worker: Worker) -> None:
        """See `Probe.pause`."""

    def enter(self, worker: Worker) -> None:
        """See `Probe.enter`."""

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""

    def doom(self, worker: Worker) -> None:
        """See `Probe.doom`."""

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`."""

    def after_fork(self) -> None:
        """See `Probe.after_fork`."""

    def hand_over(self) -> Any:
        """See `Probe.hand_over`."""

    def take_over(self, news: Any) -> None:
        """See `Probe.take_over`."""

    def reaped(self, copy: str, attempt: int) -> None:
        """See `Probe.reaped`."""

    def notes(self) -> Sequence[str]:
        """See `Probe.notes`."""
        return ()

    def settle(self) -> None:
        """See `Probe.settle`."""


class Patches:
    """Changes to other people's modules, undone in reverse order."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def set(self, owner: Any, name: str, replacement: Any) -> Any:
        """Replace an attribute that `owner` itself has; return the original."""
        original = vars(owner)[name]
        setattr(owner, name, replacement)
        self._undo.append(lambda: setattr(owner, name, original))
        return original

    def put(self, owner: Any, name: str, replacement: Any) -> None:
        """Replace an attribute that `owner` may only inherit."""
        if name in vars(owner):
            self.set(owner, name, replacement)
        else:
            setattr(owner, name, replacement)
            self._undo.append(lambda: delattr(owner, name))

    def on_undo(self, action: Callable[[], None]) -> None:
        """Also do `action` when the changes are undone."""
        self._undo.append(action)

    def undo(self) -> None:
        """Undo all changes. A second call does nothing."""
        while self._undo:
            self._undo.pop()()
