"""Passing: messages that a task enqueues are effects here, too, but they are really sent, as in the suite as it is.

In a check, the probe of a job system records a message and sends it to nobody. Here the same probe records it, and then
the system itself is called.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

from jobchaos.core.ports import Control
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.queue import QueueProbe

_passing: ContextVar[bool] = ContextVar("jobchaos_passing", default=False)
_recorded: ContextVar[list[str] | None] = ContextVar("jobchaos_recorded", default=None)


class Passing(BaseProbe):
    """Makes a probe let through what it records.

    Args:
        probe: The probe of a job system.
    """

    def __init__(self, probe: QueueProbe) -> None:
        self._probe = probe
        probe.patches = _Through(self)
        probe.enqueue = self._enqueue  # type: ignore[method-assign]

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._probe.install(control)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._probe.remove()

    def call(self, genuine: Callable[..., Any], replacement: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Record a message, if a task sends it, and send it."""
        if _passing.get() or not self._probe.is_ours():
            return genuine(*args, **kwargs)
        with _recording() as recorded:
            instead = replacement(*args, **kwargs)
        if not recorded:
            return instead  # it was no message, and the replacement has done what there was to do
        with _letting_through(True):
            return genuine(*args, **kwargs)

    async def call_later(
        self, genuine: Callable[..., Any], replacement: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The same for coroutine functions."""
        if _passing.get() or not self._probe.is_ours():
            return await genuine(*args, **kwargs)
        with _recording() as recorded:
            instead = await replacement(*args, **kwargs)
        if not recorded:
            return instead
        with _letting_through(True):
            return await genuine(*args, **kwargs)

    def _enqueue(self, queue: str, *args: Any, **kwargs: Any) -> bool:
        recorded = _recorded.get()
        if recorded is not None:
            recorded.append(queue)
        type(self._probe).enqueue(self._probe, queue, *args, **kwargs)
        return True  # the system itself will refuse it, if it does


class _Through(Patches):
    def __init__(self, passing: Passing) -> None:
        super().__init__()
        self._passing = passing

    def set(self, owner: Any, name: str, replacement: Any) -> Any:
        genuine, passing = vars(owner)[name], self._passing

        call = passing.call_later if inspect.iscoroutinefunction(genuine) else passing.call

        def passed(*args: Any, **kwargs: Any) -> Any:
            return call(genuine, replacement, *args, **kwargs)

        return super().set(owner, name, passed)


@contextlib.contextmanager
def _recording() -> Iterator[list[str]]:
    """Gives a list that has the queues of what is recorded meanwhile."""
    recorded: list[str] = []
    outer = _recorded.set(recorded)
    try:
        yield recorded
    finally:
        _recorded.reset(outer)


@contextlib.contextmanager
def _letting_through(whether: bool) -> Iterator[None]:
    """What a system does to send a message is no further message."""
    before = _passing.get()
    _passing.set(whether)
    try:
        yield
    finally:
        _passing.set(before)


def executing() -> AbstractContextManager[None]:
    """Around a task that is executed where its message is sent: what it sends itself is recorded again."""
    return _letting_through(False)
