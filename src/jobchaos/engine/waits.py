"""Waits: which of an attempt's waits for others is not answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobchaos.core.conditions import Clock
from jobchaos.core.effect import Effect
from jobchaos.core.hang import NEVER, Hang, HangPoint, name_of, seconds
from jobchaos.core.schedule import Fault
from jobchaos.core.trace import Happening
from jobchaos.engine.sites import call_site, waiting_site

if TYPE_CHECKING:
    from jobchaos.engine.attempt import Attempt

TIMED = (Fault.HANG, Fault.LATE, Fault.SLOW)
"""Faults that strike a wait: in the step at which the credit is used up, or before it."""

NO_ANSWER, TOO_LATE = "no answer", "answered too late"
_ENDLESS = 100  # timeouts of one attempt until it counts as one that never gives up


class Waits:
    """The waits of one attempt, counted since the last step that has ended.

    Args:
        attempt: Whose they are.
        clock: Virtual time.
    """

    def __init__(self, attempt: Attempt, clock: Clock) -> None:
        self._attempt = attempt
        self._clock = clock
        self._standing = attempt.standing
        self._silent: dict[str, str] = {}  # who does not answer, and what was waited for first
        self._is_just_struck = False
        self._number = 0
        self._timeouts = 0
        self._open: Effect | None = None
        self._is_in_last = False
        self._is_slow = False
        self.is_late = False
        """True if the answer to the step that is underway comes too late."""
        self.waited = 0
        """Virtual nanoseconds that timeouts within the present step have taken."""
        self.is_silent = False
        """True if nobody hears of the step that is underway."""

    def let_in(self) -> bool:
        """Whether a step begins although the credit is used up, since the fault is for a wait within it."""
        standing = self._standing
        if standing.fault is Fault.SLOW:
            self._strike(None)
        elif standing.fault in TIMED and not self._is_in_last:
            self._is_in_last = True
            return True
        return False

    @property
    def is_in_step(self) -> bool:
        """True between a step and its answer."""
        return self._open is not None

    @property
    def is_missed(self) -> bool:
        """True if the step in which the fault was to strike is over, and had no such wait."""
        return self._standing.fault in TIMED

    def begun(self, effect: Effect, hang: Callable[[], Hang] | None) -> Hang | None:
        """A step begins; if it is a wait as a whole, go through it.

        Returns:
            How the step ends, if it is applied, and its answer comes too late.
        """
        self._open = effect
        fault = None if hang is None else self.ask(hang)
        if hang is not None and fault is Fault.HANG:
            self._go_unheard(effect, hang())
        if hang is not None and fault is Fault.SLOW:
            self.linger(hang())
        return hang() if hang is not None and fault is Fault.LATE else None

    def _go_unheard(self, effect: Effect, hang: Hang) -> None:
        """The step that has begun is a wait that nobody answers."""
        timeout = hang.nanoseconds
        if timeout is None:
            self._attempt.note(Happening.EFFECT, effect, NEVER, applied=False)
        try:
            self.time_out(hang)
        finally:
            if timeout is not None:
                self._attempt.note(Happening.EFFECT, effect, f"{NO_ANSWER} after {seconds(timeout)}", applied=False)
            self.ended()

    def linger(self, hang: Hang) -> None:
        """See `Worker.linger`. A nanosecond less than the timeout would only make the numbers hard to read."""
        timeout = hang.nanoseconds or 0
        if timeout:
            self._clock.advance(timeout)
            self._attempt.note(Happening.TIME, None, seconds(timeout))

    def time_out(self, hang: Hang) -> None:
        """See `Worker.time_out`."""
        timeout = hang.nanoseconds
        if self._is_just_struck and self._standing.hung is not None:  # its timeout may have been set only now
            self._standing.hung = dataclasses.replace(self._standing.hung, timeout=timeout)
        self._is_just_struck = False
        self._timeouts += 1
        if timeout is None or self._timeouts > _ENDLESS:
            while True:
                self._attempt.wait(f"host:{name_of(hang.far)}", None)
        self._clock.advance(timeout)
        self.waited += timeout
        if self._open is None:
            self._attempt.note(Happening.TIMED_OUT, None, f"{name_of(hang.far)}, after {seconds(timeout)}")
        if hang.failure is not None:
            raise hang.failure()

    def told(self, outcome: str, *, applied: bool) -> str:
        """How the step that is underway ends, with the time that was waited for it.

        Args:
            outcome: How it ends without that.
            applied: Whether it is applied all the same.
        """
        if self.waited:
            time = f"after {seconds(self.waited)}"
            return f"({TOO_LATE}, {time})" if applied else f"{NO_ANSWER} {time}: {outcome}"
        return NEVER if self.is_silent and self._attempt.dead else outcome

    def ended(self) -> None:
        """The step that was underway is over."""
        self._open = None
        self._number = 0
        self.waited = 0
        self.is_late = self.is_silent = False

    def ask(self, hang: Callable[[], Hang]) -> Fault | None:
        """See `Worker.ask`."""
        standing = self._standing
        self._number += 1
        if standing.survey:
            standing.points.append(self._point(hang()))
        if not (self._silent or self._is_slow or standing.fault in TIMED):
            return None
        expected = hang()
        fault = self._strike(expected) if self._is_struck() else None
        if fault is Fault.LATE and expected.waits_for != "answer":
            fault = Fault.HANG  # nothing is asked for that could be applied
        if fault is Fault.HANG:
            self._silent[expected.far] = expected.waits_for
        if self._is_silent(expected):
            self.is_silent = self._open is not None
            return Fault.HANG
        self.is_late = self.is_late or fault is Fault.LATE
        is_slow = self._is_slow and expected.waits_for != "lock"
        return fault or (Fault.SLOW if is_slow else None)  # whose timeout may be set only when it is read

    def _is_silent(self, expected: Hang) -> bool:
        """Whether somebody who has not answered is waited for again. Who has not may still accept connections."""
        first = self._silent.get(expected.far)
        return first is not None and (first == "connection" or expected.waits_for != "connection")

    def _is_struck(self) -> bool:
        standing = self._standing
        if standing.credit != 0 or standing.fault not in TIMED or not (self._is_in_last or self._open is None):
            return False
        return standing.fault is Fault.SLOW or self._number == standing.wait

    def _strike(self, expected: Hang | None) -> Fault | None:
        standing = self._standing
        fault, standing.fault = standing.fault, None
        if fault is Fault.SLOW:
            self._is_slow = True
            return None
        standing.hung = None if expected is None else self._point(expected)
        self._is_just_struck = True
        return fault

    def _point(self, expected: Hang) -> HangPoint:
        effect = self._open
        return HangPoint(
            steps=self._standing.steps - (effect is not None),
            number=self._number,
            effect=effect,
            site=waiting_site() or call_site() if effect is None else effect.site,
            far=expected.far,
            timeout=expected.nanoseconds,
            advice=expected.advice,
            waits_for=expected.waits_for,
        )
