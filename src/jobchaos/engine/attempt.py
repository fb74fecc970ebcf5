"""Attempt: one execution of one copy, step by step; the `Worker` that probes see, in whatever it runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import NoReturn, TypeVar

from jobchaos.core.attempts import answer
from jobchaos.core.effect import Effect, Foreign
from jobchaos.core.hang import Hang
from jobchaos.core.leases import held_by
from jobchaos.core.schedule import Fault
from jobchaos.core.time_limit import time_is_over
from jobchaos.core.trace import Happening
from jobchaos.engine.blocking import Blocking
from jobchaos.engine.death import CheckStopped, WorkerKilled, bury, strike_later
from jobchaos.engine.kept_locks import KeptLocks
from jobchaos.engine.leases import Leases
from jobchaos.engine.outcome import Outcome, describe
from jobchaos.engine.pending import PendingEffect
from jobchaos.engine.sites import call_site, waiting_site
from jobchaos.engine.stage import Stage
from jobchaos.engine.standing import Standing
from jobchaos.engine.vessel import Vessel
from jobchaos.engine.waits import TIMED, Waits

T = TypeVar("T")

_STUBBORN = 50  # steps after death until we stop believing that this is clean-up code
_IDLE = 20  # sleeps without a write until a worker counts as waiting for somebody else
_ENDLESS = 20_000  # steps of one attempt until it counts as an endless loop


class Attempt(Blocking):
    """Implements `Worker`. All calls come from the attempt's own thread.

    Args:
        copy: The copy's letter.
        attempt: Which execution of the copy this is, from 1.
        stage: What all workers of the check share.
        vessel: What it runs in.
    """

    def __init__(self, copy: str, attempt: int, stage: Stage, vessel: Vessel) -> None:
        self.copy = copy
        self.attempt = attempt
        self.standing = Standing()
        self.outcome = Outcome("killed")
        self.waits = Waits(self, stage.clock)
        self._stage = stage
        self._vessel = vessel
        self._locks = KeptLocks()
        self._leases = Leases(self, stage)
        self.idle = 0
        self._after_death = 0

    def run(self, body: Callable[[], object]) -> Outcome:
        """Run the job once."""
        with self.living():
            body()
        return self.outcome

    @contextlib.contextmanager
    def living(self) -> Iterator[None]:
        """From the attempt's beginning to its end, in whatever way it ends; then `outcome` tells which."""
        self._stage.enter(self)
        answer(self._tell)
        held_by(self)
        try:
            yield
            if self.dead:
                self._swallowed()
            else:
                self.outcome = Outcome("finished")
        except BaseException as error:  # noqa: BLE001 - a job may raise anything, and so do we
            self.outcome = self.ended_by(error)
        finally:
            answer(None)  # the thread may go on with something else
            held_by(None)
            self._stage.leave(self)

    def ended_by(self, error: BaseException) -> Outcome:
        """What an error that nobody has caught makes of the attempt."""
        if self._after_death > _STUBBORN:
            self._swallowed()
        if self.dead or isinstance(error, WorkerKilled | CheckStopped):
            bury(error)
            return Outcome("killed")
        return Outcome.raised(error)

    # --- the probes' side --------------------------------------------------------------------------------------------

    @property
    def dead(self) -> bool:
        """See `Worker.dead`."""
        return self.standing.dead

    @property
    def in_effect(self) -> bool:
        """See `Worker.in_effect`."""
        return self.waits.is_in_step

    def touch(self, resource: str) -> None:
        """See `Worker.touch`."""
        if self.dead:
            return
        try:
            self._stage.announce(resource)
        except Exception as error:  # noqa: BLE001 - whatever it is, the check ends with it
            self.refuse(error)

    def refuse(self, error: Exception) -> NoReturn:
        """End the check with an error."""
        self._stage.stop(error)
        raise CheckStopped from error

    def begin(
        self, effect: Effect, failure: Callable[[], Exception], hang: Callable[[], Hang] | None = None
    ) -> PendingEffect:
        """See `Worker.begin`."""
        if self.dead:
            self._refuse_to_die()
        if effect.site is None:
            effect = effect.at(waiting_site() or call_site(sys._getframe(1)))  # noqa: SLF001
        effect = self._locks.under(effect)
        self._count_idling(effect)
        lost = self._arrive(effect, failure)
        standing = self.standing
        standing.steps += 1
        standing.writes += effect.writes and effect.kind != "sleep"
        if standing.steps > _ENDLESS:
            self.perish(effect, f"takes more than {_ENDLESS} steps: an endless loop?")
        late = self.waits.begun(effect, hang)
        return PendingEffect(self, effect, failure if lost else None, late)

    def perform(
        self,
        effect: Effect,
        call: Callable[[], T],
        *,
        failure: Callable[[], Exception],
        outcome: Callable[[T], str] = lambda _: "",
        hang: Callable[[], Hang] | None = None,
    ) -> T:
        """See `Worker.perform`."""
        pending = self.begin(effect, failure, hang)
        try:
            result = call()
        except Exception as error:
            pending.failed(error)
            raise
        pending.done(outcome(result))
        return result

    def ask(self, hang: Callable[[], Hang]) -> Fault | None:
        """See `Worker.ask`."""
        return None if self.dead else self.waits.ask(hang)

    def linger(self, hang: Hang) -> None:
        """See `Worker.linger`."""
        self.waits.linger(hang)

    def time_out(self, hang: Hang) -> None:
        """See `Worker.time_out`."""
        self.idle = 0  # its sleeps are between calls, and no polling
        self.waits.time_out(hang)

    def hold(self, resource: str, *, by_effect: bool = False) -> None:
        """See `Worker.hold`."""
        self._locks.hold(resource, by_effect=by_effect)

    def let_go(self, resource: str) -> None:
        """See `Worker.let_go`."""
        self._locks.let_go(resource)

    def lease(self, name: str, ttl: int) -> None:
        """See `Worker.lease`."""
        self._leases.lease(name, ttl)

    def release(self, name: str, *, and_parts: bool = False) -> None:
        """See `Worker.release`."""
        self._leases.release(name, and_parts=and_parts)

    def deadline(self, nanoseconds: int) -> None:
        """See `Worker.deadline`."""
        self._leases.foresee(Happening.DEADLINE, "", nanoseconds)

    def record(self, foreign: Foreign) -> None:
        """See `Worker.record`."""
        if not self.dead:
            self._stage.registry.record(foreign)

    def is_known(self, foreign: Foreign) -> bool:
        """See `Worker.is_known`."""
        return not self.dead and self._stage.registry.knows(foreign)

    def flag(self, what: str) -> None:
        """See `Worker.flag`."""
        if not self.dead:
            self.note(Happening.FLAGGED, None, what)

    def oddity(self, code: str, message: str, *, placed: bool = False) -> None:
        """See `Worker.oddity`."""
        site = call_site(sys._getframe(1)) if placed else None  # noqa: SLF001
        where = "" if site is None else f" ({site.short})"
        self._stage.oddity(code, f"{message}{where}")

    def note(
        self, happening: Happening, effect: Effect | None, detail: str, *, applied: bool = True, changed: bool = True
    ) -> Callable[[str], None]:
        """Enter an event of this worker into the trace; return what changes its detail."""
        return self._stage.note(happening, self.copy, self.attempt, effect, detail, applied=applied, changed=changed)

    def insist(self, suspended: Iterable[FrameType] = ()) -> None:
        """It is dead, and goes on all the same; of coroutines, with their suspended frames."""
        self._after_death += 1
        if self._after_death > _STUBBORN:
            strike_later(1 + self._after_death % _STUBBORN, suspended)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _tell(self) -> int:
        self.standing.read_attempt = True
        return self.attempt

    def _arrive(self, effect: Effect, failure: Callable[[], Exception]) -> bool:
        """Use up one credit, or meet the fault, or park; return True if the reply to this effect gets lost."""
        standing = self.standing
        if standing.outage is not None:
            standing.outage.meet(effect, failure, self, self._stage.fatal)
        while standing.credit == 0:
            if standing.fault in TIMED and self.waits.let_in():
                return False
            fault, standing.fault = standing.fault, standing.fault if self.waits.is_missed else None
            if fault is Fault.KILL:
                self.perish(effect, "")
            if fault is Fault.TERMINATE:
                self._stop(effect)
            if fault in (Fault.FAIL, Fault.LIMIT):
                error = failure() if fault is Fault.FAIL else time_is_over()
                self.note(Happening.EFFECT, effect, f"{describe(error)} (not applied)", applied=False)
                raise error
            if standing.outage is not None and fault in (Fault.DOWN, Fault.FATAL):
                standing.outage.begin(effect)
                standing.outage.meet(effect, failure, self, self._stage.fatal)
            if fault is Fault.LOST:
                return True
            standing.waiting_at = effect
            self._vessel.park()
            standing.waiting_at = None
        if standing.credit is not None:
            standing.credit -= 1
        return False

    def _count_idling(self, effect: Effect) -> None:
        if effect.kind == "sleep" and not self._stage.shares_time:
            self.idle += 1
            if self.idle >= _IDLE:
                self.idle = 0
                self.wait("a condition that it polls with sleep()", None)
                self.standing.blocked_on = ""  # not answered: it will look, and may sleep again
        elif effect.writes:
            self.idle = 0

    def perish(self, effect: Effect, why: str) -> None:
        """It dies here, for this reason; for none, as the schedule says."""
        self.standing.dead = True
        self.standing.cause_of_death = why
        self.note(Happening.KILLED, effect, why)
        self._vessel.die()

    def _stop(self, effect: Effect) -> None:
        """What the handlers of SIGTERM do in most workers: clean-up code runs, and acts, before the process ends."""
        self.standing.terminated = True
        self.standing.credit = None
        self.note(Happening.TERMINATED, effect, "")
        raise SystemExit("terminated")

    def _refuse_to_die(self) -> None:
        self.insist()
        raise WorkerKilled

    def _swallowed(self) -> None:
        self._stage.oddity("JC702", "catches the exception that stands for its death and goes on")
