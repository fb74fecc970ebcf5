"""One event loop for all copies of a coroutine job, of which only one moves at a time."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any, Protocol

from jobchaos.clock.loop import VirtualLoop
from jobchaos.clock.patience import ANSWER, WAKE, Ready, listen
from jobchaos.clock.virtual import VirtualClock

_SECOND = 10**9


class Tenants(Protocol):
    """The copies that live in a shared loop."""

    @property
    def is_alone(self) -> bool:
        """True if there is nobody besides the copy that may move."""

    def may_move(self, context: Context) -> bool:
        """True if what has this context belongs to the copy that may move."""

    def wait(self, deadline: int | None) -> bool:
        """The copy that may move waits for others, until a virtual nanosecond or for ever. Return when any may move.

        Returns:
            False if there is no such copy: the loop is being wound up.
        """


class SharedLoop(VirtualLoop):
    """Time passes, and connections are waited for, for the copy that may move. The others are kept waiting anyway.

    A copy that sleeps is not waiting for another one: time jumps to its next timer. A copy whose timers are all limits
    to how long it waits for something else (`asyncio.timeout`) gives the others a chance first.

    Args:
        clock: Virtual time.
        tenants: Who lives in it.
    """

    def __init__(self, clock: VirtualClock, tenants: Tenants) -> None:
        super().__init__(clock, lambda: None)
        self._tenants = tenants

    def _listen(self, timeout: float | None) -> Ready:
        handles = [handle for key in self._genuine.get_map().values() for handle in key.data]
        if any(handle and self._tenants.may_move(_context(handle)) for handle in handles):
            return self._genuine.select(ANSWER) if timeout is None else listen(self, self._genuine, timeout)
        return []

    def _idle(self, timeout: float | None) -> Ready:
        timers = [timer for timer in self._timers() if self._tenants.may_move(_context(timer))]
        if not timers:
            return [] if self._tenants.wait(None) else super()._idle(timeout)
        until = round((min(timer.when() for timer in timers) - self.time()) * _SECOND)
        if self._tenants.is_alone or any(_callback(timer) is WAKE for timer in timers):
            self._clock.advance(max(0, until))
        else:
            self._tenants.wait(self._clock.now() + max(0, until))
        return []

    def _timers(self) -> list[asyncio.TimerHandle]:
        scheduled: list[asyncio.TimerHandle] = vars(self)["_scheduled"]
        return [timer for timer in scheduled if not timer.cancelled()]


def _context(handle: Any) -> Context:
    context: Context = handle._context  # noqa: SLF001 - whose it is, nothing else tells
    return context


def _callback(handle: Any) -> Any:
    return handle._callback  # noqa: SLF001 - what a timer is for, nothing else tells
