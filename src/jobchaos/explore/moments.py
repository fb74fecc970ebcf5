"""Moments: where time matters to a job, and the schedules in which it passes there.

A job states times to come: until when its lease runs, from when on somebody else's counts as stale. Just beyond them
things change: somebody else takes the lease, a redelivery finds work undone. So time passes to there, and the worker is
paused, or dies, at every step that it could be at by then.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobchaos.core.schedule import Fault, Run, Schedule, Skew, Wait
from jobchaos.core.trace import Happening, Trace

_SECOND = 10**9
MARGIN = _SECOND
"""So far beyond a moment, and before it, time is let pass; a delivery takes as long (see the runner)."""
_MOST = 4
"""Moments that are tried; a job that states more tells of many things, which are no leases of its own."""


@dataclass(frozen=True, slots=True)
class Span:
    """A moment to come, and the steps at which an attempt may be when it comes.

    Attributes:
        length: Nanoseconds from where it was stated.
        until: The moment, in virtual nanoseconds since the epoch.
        first: The first step.
        last: The last one.
    """

    length: int
    until: int
    first: int
    last: int


class Moments:
    """Makes the schedules of one job.

    Args:
        trace: A clean run's.
        stated: Further moments, as nanoseconds from the beginning of an attempt: a visibility timeout, a soft limit.
        horizon: Nanoseconds; what is farther off is left out.
        looks: True if the job has looked at the time.
        letter: The copy's letter.
    """

    def __init__(self, trace: Trace, stated: Sequence[int], horizon: int, *, looks: bool, letter: str = "A") -> None:
        self._letter = letter
        self._arrivals = _arrivals(trace, letter)
        known, marked = _spans(trace, letter)
        end = len(self._arrivals) - 1
        begun = self._arrivals[0] if self._arrivals else 0
        if known or marked or looks:  # else nobody could tell that time has passed
            known += [Span(length, begun + length, 0, end) for length in stated]
        near = [span for span in known if span.length <= horizon]
        if marked and not near:  # it has written down the time, and may look later how long ago that was
            near = [Span(horizon, begun + horizon, 0, end)]
        spans = sorted(near, key=lambda span: (span.first, span.until))
        self.spans = spans[:_MOST]
        self.left_out = [span.length for span in known if span.length > horizon] + [s.length for s in spans[_MOST:]]
        """Lengths of those that are not tried."""

    def schedules(self, preemptions: int, skew: int) -> list[Schedule]:
        """All of them, the simplest first.

        Args:
            preemptions: Most pauses of a running copy for another one.
            skew: Nanoseconds by which a machine's clock may be wrong; 0 if all are right.
        """
        every = itertools.chain.from_iterable(self._of(span, preemptions, skew) for span in self.spans)
        return sorted(dict.fromkeys(every), key=lambda schedule: schedule.simplicity)

    def meeting(self, others: Sequence[str]) -> list[Schedule]:
        """Those in which the job is paused, time passes, and different jobs run meanwhile; the simplest first.

        Args:
            others: Letters of the different jobs.
        """
        found = (
            Schedule((Run(self._letter, step), beyond, *map(Run, others), Run(self._letter)))
            for span in self.spans
            for step in range(span.first, span.last + 1)
            if (beyond := self._wait(span, step, MARGIN))
        )
        return sorted(dict.fromkeys(found), key=lambda schedule: schedule.simplicity)

    def _of(self, span: Span, preemptions: int, skew: int) -> Iterator[Schedule]:
        end = len(self._arrivals) - 1
        beyond = self._wait(span, end, MARGIN)
        if beyond:
            yield Schedule((Run("A"), beyond, Run("A")))
        for step in range(span.first, span.last + 1):
            pause = Run("A", step)
            beyond, short = self._wait(span, step, MARGIN), self._wait(span, step, -2 * MARGIN)
            if beyond is None:
                continue
            yield Schedule((Run("A", step, Fault.KILL), beyond, Run("A")))
            yield Schedule((pause, beyond, Run("B"), Run("A")))
            if short and preemptions > 1:
                yield Schedule((pause, short, Run("B"), Run("A")))
            for other in range(span.first, end + 1) if preemptions > 1 else ():
                yield Schedule((pause, beyond, Run("B", other), Run("A"), Run("B")))
                if step == span.last:  # then it may free what is another one's by now
                    yield Schedule((pause, beyond, Run("B", other), Run("A"), Run("C"), Run("B")))
            yield from self._skewed(span, step, skew) if skew else ()

    def _skewed(self, span: Span, step: int, skew: int) -> Iterator[Schedule]:
        """B's clock is so far ahead that the moment has come for it, but not for A; or so far behind."""
        early, late = self._wait(span, step, -min(skew, MARGIN) // 2 - MARGIN), self._wait(span, step, MARGIN)
        pause = Run("A", step)
        waits = () if early is None else (early,)
        yield Schedule((Skew("B", skew), pause, *waits, Run("B"), Run("A")))
        if late:
            yield Schedule((Skew("B", -skew), pause, late, Run("B"), Run("A")))

    def _wait(self, span: Span, step: int, margin: int) -> Wait | None:
        """From a step until a moment, and somewhat more; None if it is over by then."""
        nanoseconds = span.until - self._arrivals[step] + margin if self._arrivals else 0
        return Wait(nanoseconds) if nanoseconds > 0 else None


def _arrivals(trace: Trace, letter: str) -> list[int]:
    """When an attempt comes to each step."""
    arrivals: list[int] = []
    now: int | None = None
    for event in trace.events:
        if event.copy != letter:
            continue
        if event.happening is Happening.EFFECT:
            arrivals.append(event.at if now is None else now)
        now = event.at
    return arrivals


def _spans(trace: Trace, letter: str) -> tuple[list[Span], bool]:
    """The moments that a trace tells of, those of leases first; and whether it has written down the present."""
    last = len(trace.effects(letter)) - 1
    leases: dict[str, Span] = {}
    spans: list[Span] = []
    stated: dict[int, Span] = {}
    marked = False
    step = 0
    for event in (event for event in trace.events if event.copy == letter):
        length = event.until - event.at
        if event.happening is Happening.EFFECT:
            step += 1
        elif event.happening in (Happening.LEASED, Happening.RELEASED) and event.detail in leases:
            spans.append(_ended(leases.pop(event.detail), step))
        if event.happening is Happening.LEASED:
            leases[event.detail] = Span(length, event.until, max(0, step - 1), last)
        elif event.happening is Happening.DEADLINE and length:
            stated.setdefault(event.until, Span(length, event.until, max(0, step - 1), last))
        elif event.happening is Happening.DEADLINE:
            marked = True
    spans += leases.values()
    covered = {span.until for span in spans}
    return spans + [span for until, span in stated.items() if until not in covered], marked


def _ended(span: Span, step: int) -> Span:
    """It was prolonged, or given back, in the effect before this step; before that, it may still run out."""
    return Span(span.length, span.until, span.first, max(span.first, step - 1))
