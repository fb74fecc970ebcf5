"""Host: one process's event loop, in which all copies of a coroutine job live as tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Protocol

from jobchaos.core.effect import Site
from jobchaos.engine.stage import Stage
from jobchaos.engine.strand import Strand


class Loop(Protocol):
    """What a host asks of its event loop; the rest is up to the tasks."""

    def set_task_factory(self, factory: Any, /) -> None:
        """See `asyncio.AbstractEventLoop`."""

    def set_exception_handler(self, handler: Any, /) -> None:
        """See `asyncio.AbstractEventLoop`."""

    def create_task(self, coro: Any, /) -> asyncio.Task[Any]:
        """See `asyncio.AbstractEventLoop`."""

    def run_forever(self) -> None:
        """See `asyncio.AbstractEventLoop`."""

    def stop(self) -> None:
        """See `asyncio.AbstractEventLoop`."""

    def wind_up(self) -> None:
        """Cancel what is left, wait for its end, and close the loop."""


class Guest(Protocol):
    """A worker that lives in a host."""

    copy: str

    def begin(self, loop: Loop) -> None:
        """Start, or go on where it was held. The host's thread."""

    def adopt(self, coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """Control what is to be run as a task of its own."""

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Know a task of its own, to end it in time."""

    def wait(self, deadline: int | None) -> None:
        """All its tasks wait for somebody else."""

    def stall(self, copy: str) -> None:
        """It cannot move, since another guest keeps the loop."""

    def perish(self, cause: str) -> None:
        """Its process has died."""

    def vanish(self) -> None:
        """The loop is closed, and it has not come to an end."""

    def owns(self, context: Context) -> bool:
        """True if what has this context belongs to it."""


class Host:
    """One thread with one event loop. It ends when nobody lives in it any more, or one of them has died.

    Args:
        stage: What all workers of the check share.
        make_loop: Makes the loop for this host.
    """

    def __init__(self, stage: Stage, make_loop: Callable[[Host], Loop]) -> None:
        self._stage = stage
        self._make_loop = make_loop
        self._strand = Strand(self._main, "jobchaos loop")
        self._loop: Any = None
        self.mover: Guest | None = None
        """Who may move."""
        self.guests: list[Guest] = []
        """Who lives here."""
        self.stalled_by: Guest | None = None
        """Who waits in synchronous code for what only another guest can give. The loop stands still."""
        self.is_over = False
        self._is_winding_up = False

    # --- the controller's side ---------------------------------------------------------------------------------------

    def lend(self, guest: Guest, guard: float) -> bool:
        """Let a guest move until it is paused, waits or ends; False if it does not within the guard time."""
        self.mover = guest
        return self._strand.lend(guard)

    def end(self, guard: float) -> bool:
        """End it with all who live here; False if it stays behind."""
        self._condemn("")
        return self._strand.end(guard)

    @property
    def position(self) -> Site | None:
        """Where in the project's code its thread is now."""
        return self._strand.position

    # --- the guests' side --------------------------------------------------------------------------------------------

    def hand_back(self) -> None:
        """The one who may move has to stop. Returns when anybody may move."""
        self.mover = None
        self._strand.rest()
        if self.is_over:
            self._stop()
        elif self.mover is not None and self.stalled_by in (None, self.mover):
            self.mover.begin(self._loop)

    def fall(self, dead: Guest) -> None:
        """A guest has died, and all others with it: they are one process."""
        self._condemn(f"it lived in the process of {dead.copy}, which died")
        self._stop()

    def ended(self, guest: Guest) -> None:
        """A guest has come to its end."""
        if guest in self.guests:
            self.guests.remove(guest)
        if not self.guests:
            self.is_over = True
        if self.is_over:
            self._stop()
        elif self.mover is guest:
            self.hand_back()

    # --- the loop's side ---------------------------------------------------------------------------------------------

    @property
    def is_alone(self) -> bool:
        """See `Tenants.is_alone`."""
        return len(self.guests) <= 1

    def may_move(self, context: Context) -> bool:
        """See `Tenants.may_move`."""
        return self.mover is not None and self.mover.owns(context)

    def wait(self, deadline: int | None) -> bool:
        """See `Tenants.wait`."""
        if self.mover is None:
            return False
        self.mover.wait(deadline)
        self.hand_back()
        return True

    # --- inside ------------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        self._stage.run_tasks()
        loop = self._loop = self._make_loop(self)
        loop.set_task_factory(self._make_task)
        try:
            if self.mover is not None:
                self.mover.begin(loop)
            loop.run_forever()
        finally:
            self.is_over = self._is_winding_up = True
            self.mover = None
            loop.set_exception_handler(_ignore)  # the dead have nothing to say
            try:
                loop.wind_up()
            finally:
                while self.guests:
                    self.guests.pop().vanish()

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        """What a guest makes a task of belongs to it."""
        context = copy_context()
        owner = next((guest for guest in self.guests if guest.owns(context)), None)
        if owner is None:
            return asyncio.Task(coroutine, loop=loop, **options)
        task = asyncio.Task(owner.adopt(coroutine), loop=loop, **options)
        owner.keep(task)
        return task

    def _stop(self) -> None:
        if not self._is_winding_up:
            self._loop.stop()

    def _condemn(self, cause: str) -> None:
        self.is_over = True
        for guest in self.guests:
            guest.perish(cause)


def _ignore(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """Say nothing."""
