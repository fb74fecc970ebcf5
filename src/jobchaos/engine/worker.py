"""ThreadWorker: one attempt of one copy, in a thread of its own, that moves only while it holds the baton."""

from __future__ import annotations

import contextvars
import dataclasses
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from jobchaos.core.effect import Effect, Foreign, Site
from jobchaos.core.job import Outcome
from jobchaos.core.ports import Volatile
from jobchaos.core.schedule import Fault
from jobchaos.core.trace import Happening
from jobchaos.engine.baton import Baton
from jobchaos.engine.death import CheckStopped, WorkerKilled, raise_in, strike_later
from jobchaos.engine.pending import PendingEffect, describe
from jobchaos.engine.sites import call_site
from jobchaos.engine.stage import Stage

T = TypeVar("T")

_STUBBORN = 50  # steps after death until we stop believing that this is clean-up code
_IDLE = 20  # sleeps without a write until a worker counts as waiting for somebody else
_ENDLESS = 20_000  # steps of one attempt until it counts as an endless loop


class ThreadWorker:
    """A controlled worker. Probes call its `Worker` side from its own thread, the runner the rest.

    Args:
        copy: The copy's letter.
        attempt: Which execution of the copy this is, from 1.
        body: Runs the job once.
        stage: What all workers of the check share.
    """

    def __init__(self, copy: str, attempt: int, body: Callable[[], object], stage: Stage) -> None:
        self.copy = copy
        self.attempt = attempt
        self.dead = False
        self.credit: int | None = 0
        """Steps it may still take before it parks; None for no limit."""
        self.fault: Fault | None = None
        """What befalls it when the credit is used up."""
        self.blocked_on = ""
        """The locked resource it waits for; empty if it does not."""
        self.deadline: int | None = None
        """Virtual time at which a blocked worker gives up."""
        self.outcome: Outcome | None = None
        """How the attempt ended; None while it goes on."""
        self.steps = 0
        """Effects let through."""
        self.writes = 0
        """Effects let through that change something; a measure of progress."""
        self.waiting_at: Effect | None = None
        """The effect it is parked before."""
        self.cause_of_death = ""
        """Why it was ended although the schedule did not ask for it."""
        self._body = body
        self._stage = stage
        self._held: list[tuple[Volatile, Any]] = []
        self._baton = Baton()
        self._doom: type[BaseException] | None = None
        self._idle = 0
        self._after_death = 0
        self._thread = threading.Thread(target=self._main, name=f"jobchaos {copy}{attempt}", daemon=True)
        self._context = contextvars.copy_context()

    # --- the runner's side -------------------------------------------------------------------------------------------

    def move(self, guard: float) -> bool:
        """Lend the baton until the worker parks, blocks or ends.

        Returns:
            False if it does none of these within `guard` seconds of real time.
        """
        if self._thread.ident is None:
            self._thread.start()
        in_time = self._baton.lend(guard)
        if self.outcome is not None:
            self._thread.join()
        return in_time

    def destroy(self, guard: float) -> bool:
        """End an unfinished worker from outside: parked, blocked or running wild.

        Returns:
            False if its thread could not be ended (it is stuck in C code) and stays behind.
        """
        if self.outcome is not None or self._thread.ident is None:
            return True
        self._doom = WorkerKilled
        self.dead = True
        if self._is_parked:
            return self.move(guard)
        for _ in range(10):
            raise_in(self._thread)
            if self._baton.wait(guard / 10):
                if self.outcome is None:  # it reached a step at last, and parked there
                    return self.move(guard)
                self._thread.join()
                return True
        return False

    def unwound(self) -> None:
        """Its thread has ended after a kill: undo what its clean-up code did to the process's memory."""
        for store, held in self._held:
            store.put_back(held)
        self._stage.world.lose_memory()

    @property
    def position(self) -> Site | None:
        """Where its thread is now, as seen from outside."""
        ident = self._thread.ident
        frame = None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001 - documented for debuggers
        return None if frame is None else call_site(frame)

    # --- the probes' side --------------------------------------------------------------------------------------------

    def touch(self, resource: str) -> None:
        """See `Worker.touch`."""
        if self.dead:
            return
        try:
            self._stage.announce(resource)
        except Exception as error:
            self._stage.stop(error)
            raise CheckStopped from error

    def begin(self, effect: Effect, failure: Callable[[], Exception]) -> PendingEffect:
        """See `Worker.begin`."""
        if self.dead:
            self._refuse_to_die()
        if effect.site is None:
            effect = dataclasses.replace(effect, site=call_site(sys._getframe(1)))  # noqa: SLF001
        self._count_idling(effect)
        lost = self._arrive(effect, failure)
        self.steps += 1
        self.writes += effect.writes and effect.kind != "sleep"
        if self.steps > _ENDLESS:
            self._die(effect, f"takes more than {_ENDLESS} steps: an endless loop?")
        return PendingEffect(self, effect, failure if lost else None)

    def perform(
        self,
        effect: Effect,
        call: Callable[[], T],
        *,
        failure: Callable[[], Exception],
        outcome: Callable[[T], str] = lambda _: "",
    ) -> T:
        """See `Worker.perform`."""
        pending = self.begin(effect, failure)
        try:
            result = call()
        except Exception as error:
            pending.failed(error)
            raise
        pending.done(outcome(result))
        return result

    def wait(self, resource: str, deadline: int | None) -> bool:
        """See `Worker.wait`."""
        if self.dead:
            raise WorkerKilled
        if deadline is not None and self._stage.clock.now() >= deadline:
            self.note(Happening.TIMED_OUT, None, resource)
            return False
        if self.blocked_on != resource:
            self.note(Happening.BLOCKED, None, resource)
        self.blocked_on, self.deadline = resource, deadline
        self._park()
        return True

    def record(self, foreign: Foreign) -> None:
        """See `Worker.record`."""
        if not self.dead:
            self._stage.world.record(foreign)

    def oddity(self, code: str, message: str) -> None:
        """See `Worker.oddity`."""
        self._stage.oddity(code, message)

    def note(
        self, happening: Happening, effect: Effect | None, detail: str, *, applied: bool = True
    ) -> Callable[[str], None]:
        """Enter an event of this worker into the trace; return what changes its detail."""
        return self._stage.note(happening, self.copy, self.attempt, effect, detail, applied=applied)

    def unblock(self) -> None:
        """An effect went through: the worker waits for nobody."""
        self.blocked_on, self.deadline = "", None

    # --- inside ------------------------------------------------------------------------------------------------------

    @property
    def _is_parked(self) -> bool:
        return self.waiting_at is not None or bool(self.blocked_on) or not self._thread.is_alive()

    def _arrive(self, effect: Effect, failure: Callable[[], Exception]) -> bool:
        """Use up one credit, or meet the fault, or park; return True if the reply to this effect gets lost."""
        while self.credit == 0:
            fault, self.fault = self.fault, None
            if fault is Fault.KILL:
                self._die(effect, "")
            if fault is Fault.FAIL:
                error = failure()
                self.note(Happening.EFFECT, effect, f"{describe(error)} (not applied)", applied=False)
                raise error
            if fault is Fault.LOST:
                return True
            self.waiting_at = effect
            self._park()
            self.waiting_at = None
        if self.credit is not None:
            self.credit -= 1
        return False

    def _park(self) -> None:
        self._baton.hand_back()
        self._baton.receive()
        if self._doom is not None:
            raise self._doom

    def _count_idling(self, effect: Effect) -> None:
        if effect.kind == "sleep":
            self._idle += 1
            if self._idle >= _IDLE:
                self._idle = 0
                self.wait("a condition that it polls with sleep()", None)
                self.unblock()
        elif effect.writes:
            self._idle = 0

    def _die(self, effect: Effect, why: str) -> None:
        self.dead = True
        self.cause_of_death = why
        self._held = self._stage.world.hold()
        self.note(Happening.KILLED, effect, why)
        raise WorkerKilled

    def _refuse_to_die(self) -> None:
        self._after_death += 1
        if self._after_death > _STUBBORN:
            strike_later(1 + self._after_death % _STUBBORN)
        raise WorkerKilled

    def _main(self) -> None:
        self._baton.receive()
        outcome = Outcome("killed")
        try:
            outcome = self._context.run(self._attempt)
        except BaseException:  # noqa: BLE001, S110 - a second asynchronous kill may strike while the first is handled
            pass
        finally:
            self.outcome = outcome
            self._baton.hand_back()

    def _attempt(self) -> Outcome:
        self._stage.enter(self)
        try:
            if self._doom is None:
                self._body()
        except BaseException as error:  # noqa: BLE001 - a job may raise anything, and so do we
            return self._ended_by(error)
        finally:
            self._stage.leave(self)
        if self.dead:
            self._swallowed()
            return Outcome("killed")
        return Outcome("finished")

    def _ended_by(self, error: BaseException) -> Outcome:
        if self._after_death > _STUBBORN:
            self._swallowed()
        if self.dead or isinstance(error, WorkerKilled | CheckStopped):
            return Outcome("killed")
        return Outcome("raised", error)

    def _swallowed(self) -> None:
        self._stage.oddity("JC702", "catches the exception that stands for its death and goes on")
