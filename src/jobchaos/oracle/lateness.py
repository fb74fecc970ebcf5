"""Lateness: does the job give up in time if nobody answers?"""

from __future__ import annotations

from dataclasses import dataclass

from jobchaos.core.hang import NEVER, HangPoint, name_of, seconds
from jobchaos.core.result import RunResult
from jobchaos.core.schedule import Fault
from jobchaos.core.trace import Happening
from jobchaos.oracle.shortening import short

_FOR_EVER = "JC401"


@dataclass(frozen=True, slots=True)
class Lateness:
    """What is wrong with the time that a run takes.

    Attributes:
        code: The finding's code.
        said: What is wrong, after the name of the job.
        fix: What helps.
    """

    code: str
    said: str
    fix: str

    @property
    def for_ever(self) -> bool:
        """True if the job never comes back, so that the state it leaves means nothing."""
        return self.fix == _BOUNDED or self.code == _FOR_EVER


def lateness(run: RunResult, within: int | None) -> Lateness | None:
    """What is wrong with the time that the attempts of copy A take; None if nothing is.

    Args:
        run: A run in which at most one call was made to hang.
        within: Virtual nanoseconds that an attempt may take; None for any time.
    """
    copy = run.copies["A"]
    hung, fault = copy.hung, run.schedule.runs[0].fault
    if hung is not None and not copy.completed and copy.error.startswith("waits for ever"):
        if hung.timeout is None and _was_given_up(run, hung):
            return None  # the job's own timer has ended that call: it waits for something else
        when = f"when {nobody_answers(fault, hung)}"
        if hung.timeout is None:
            return Lateness(_FOR_EVER, f"waits for ever {when}: no timeout{place(hung)}", f"{hung.advice}{place(hung)}")
        return Lateness("JC403", f"never gives up {when}{place(hung)}", _BOUNDED)
    elapsed = longest_attempt(run)
    if within is None or elapsed <= within:
        return None
    limit = f"and may take {seconds(within)}"
    # Without a timeout of its own, it was the library's or the job's timer that has ended it.
    if hung is not None and (hung.timeout is None or hung.timeout > within):
        waited = seconds(elapsed if hung.timeout is None else hung.timeout)
        said = f"waits {waited} when {nobody_answers(fault, hung)}{place(hung)}, {limit}"
        return Lateness("JC402", said, f"a shorter timeout: {hung.advice}{place(hung)}")
    said = f"takes {seconds(elapsed)} when {nobody_answers(fault, hung)}{place(hung)}, {limit}"
    return Lateness("JC403", said, _ONE_DEADLINE if fault is not None else _LESS)


def _was_given_up(run: RunResult, hung: HangPoint) -> bool:
    """True if the call that was not answered has ended before the job began to wait for ever."""
    ended = False
    given_up = False
    for event in run.trace.events:
        if event.copy == "A" and event.happening is Happening.EFFECT and event.effect == hung.effect:
            ended = not event.detail.endswith(NEVER)
        elif event.copy == "A" and event.happening is Happening.BLOCKED:
            given_up = ended
    return given_up


_ONE_DEADLINE = (
    "one deadline for the whole job: before each call and each repetition take what is left of it as the timeout, and "
    "give up when nothing is"
)
_BOUNDED = "a limit to the tries, or to the time that they may take, after which the error goes on to the queue"
_LESS = "do less in one job, or give it more time (within=)"


def nobody_answers(fault: Fault | None, hung: HangPoint | None) -> str:
    """What the schedule lets the far side do, after `when`."""
    if fault is Fault.SLOW:
        return "each answer comes at the last moment"
    if hung is None:
        return "everybody answers at once" if fault is None else "nobody answers"
    call = "" if hung.effect is None else short(hung.effect)
    if fault is Fault.LATE:
        return f"the answer to {call or name_of(hung.far)} comes too late"
    if hung.waits_for == "lock":
        return f"{name_of(hung.far)} stays locked" + (f" at {call}" if call else "")
    if hung.waits_for == "connection":
        return f"{name_of(hung.far)} accepts no connection" + (f" for {call}" if call else "")
    return f"{name_of(hung.far)} does not answer" + (f" {call}" if call else "")


def place(hung: HangPoint | None) -> str:
    """Where a call is made: ` at jobs.py:12`."""
    if hung is None or hung.site is None:
        return ""
    return f" at {hung.site.short}"


def longest_attempt(run: RunResult) -> int:
    """Virtual nanoseconds from the delivery of an attempt of copy A to its last event, of the longest one."""
    began: dict[int, int] = {}
    longest = 0
    for event in run.trace.events:
        if event.copy == "A" and event.happening is Happening.DELIVERED:
            began[event.attempt] = event.at
        elif event.copy == "A" and event.attempt in began:
            longest = max(longest, event.at - began[event.attempt])
    return longest
