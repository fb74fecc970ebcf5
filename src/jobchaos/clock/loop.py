"""An event loop whose timers fire in virtual time, one for each attempt of a coroutine job."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from jobchaos.clock.virtual import VirtualClock

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_OWN_DESCRIPTORS = 1  # the loop's self-pipe
_SECOND = 10**9


class VirtualSelector(selectors.BaseSelector):
    """Jumps to the loop's next timer instead of waiting for it, when nothing real is pending."""

    def __init__(self, clock: VirtualClock) -> None:
        self._real = selectors.DefaultSelector()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout is None or timeout <= 0:
            return ready or self._real.select(timeout)
        if len(self._real.get_map()) > _OWN_DESCRIPTORS:
            ready = self._real.select(timeout)  # a socket may answer: that takes real time
        if not ready:
            self._clock.advance(round(timeout * _SECOND))
        return ready

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def run_coroutine(coroutine: Coroutine[Any, Any, Any], clock: VirtualClock) -> Any:
    """Run a coroutine to its end in an event loop of its own, in virtual time; return its result."""
    loop = _VirtualLoop(VirtualSelector(clock))
    loop.virtual_clock = clock
    try:
        return loop.run_until_complete(coroutine)
    finally:
        try:
            _cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


class _VirtualLoop(asyncio.SelectorEventLoop):
    virtual_clock: VirtualClock

    def time(self) -> float:
        return self.virtual_clock.now() / _SECOND


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
