"""Delays: how long to wait between two executions, in exact virtual nanoseconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from jobchaos.errors import UsageError

_SECOND = 10**9

Seconds = int | float | Fraction | Decimal | timedelta
"""A length of time. A float counts as the decimal number that it is written as: 0.1 is a tenth, exactly."""

Jitter = tuple[Seconds, Seconds] | Callable[[int], tuple[Seconds, Seconds]] | str | None
"""What chance adds to a delay: nothing; from one length of time to another; a function that takes how many executions
there were and gives these two; `full`, anything from none to all of the delay; or `equal`, from half of it to all of
it. (The last two names are those of M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.)"""

JITTERS = ("full", "equal")


class Interval(NamedTuple):
    """The shortest and the longest a delay can be, in nanoseconds; equal where chance has no part in it."""

    low: int
    high: int

    def __str__(self) -> str:
        return told(self.low) if self.low == self.high else f"{told(self.low)} to {told(self.high)}"


Delay = Seconds | tuple[Seconds, Seconds]
"""A delay, or the shortest and the longest that it can be."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same delay each time."""

    seconds: Fraction

    def __call__(self, execution: int) -> Delay:
        """After so many executions."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class Listed:
    """One delay after the other; each is a length of time, or the shortest and the longest it can be."""

    delays: tuple[Delay, ...]

    def __call__(self, execution: int) -> Delay:
        """After so many executions."""
        return self.delays[min(execution, len(self.delays)) - 1]


@dataclass(frozen=True, slots=True)
class Exponential:
    """`first * base ** (n - 1)` after n executions, and never more than `most`."""

    first: Fraction
    base: Fraction
    most: Fraction | None

    def __call__(self, execution: int) -> Delay:
        """After so many executions."""
        return _capped(self.first * self.base ** (execution - 1), self.most)


@dataclass(frozen=True, slots=True)
class Polynomial:
    """`factor * (n + shift) ** power + plus` after n executions, and never more than `most`."""

    power: int
    factor: Fraction
    plus: Fraction
    shift: int
    most: Fraction | None

    def __call__(self, execution: int) -> Delay:
        """After so many executions."""
        return _capped(self.factor * (execution + self.shift) ** self.power + self.plus, self.most)


Delays = Callable[[int], Delay]
"""Takes how many executions there were, and gives the delay until the next one."""


def delays(value: object) -> Delays:
    """Read what a user gives as delays: a length of time, a list of them, or a function.

    Raises:
        UsageError: If it is none of these, or a delay is negative.
    """
    if isinstance(value, Seconds):
        return Constant(exact("delays", value))
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        listed = tuple(value)
        for number, delay in enumerate(listed, 1):
            interval(f"delay {number}", delay)
        return Listed(listed)
    if callable(value):
        return value
    raise UsageError(
        f"delays must be seconds (30), a list of them ([1, 5, 30]) or a function that takes how many executions there "
        f"were; got {value!r}"
    )


def checked_jitter(jitter: object) -> None:
    """Refuse what is no jitter.

    Raises:
        UsageError: If it is of no known form.
    """
    if jitter is None or jitter in JITTERS or (callable(jitter) and not isinstance(jitter, type)):
        return
    if isinstance(jitter, tuple) and interval("jitter", jitter, negative=True):
        return
    raise UsageError(
        f"jitter must be two lengths of time, as in (0, 10), or one of {', '.join(JITTERS)}, or a function that takes "
        f"how many executions there were and gives two; got {jitter!r}"
    )


def jittered(delay: Interval, jitter: Jitter, execution: int) -> Interval:
    """The delay with what chance adds."""
    if jitter is None:
        return delay
    if jitter == "full":
        return Interval(0, delay.high)
    if jitter == "equal":
        return Interval(delay.low // 2, delay.high)
    added = jitter(execution) if callable(jitter) else jitter
    low, high = interval("jitter", added, negative=True)
    return Interval(max(0, delay.low + low), max(0, delay.high + high))


def interval(what: str, delay: object, *, negative: bool = False) -> Interval:
    """Read one delay.

    Args:
        what: Whose delay it is, for error texts.
        delay: A length of time, or the shortest and the longest it can be.
        negative: True if it may be less than none.

    Raises:
        UsageError: If it is neither of them, or negative.
    """
    if isinstance(delay, tuple) and len(delay) == 2:
        low, high = (nanoseconds(what, end, negative=negative) for end in delay)
        if low > high:
            raise UsageError(f"{what} goes from {told(low)} to {told(high)}: write the shorter one first")
        return Interval(low, high)
    both = nanoseconds(what, delay, negative=negative)
    return Interval(both, both)


def nanoseconds(what: str, value: object, *, negative: bool = False) -> int:
    """A length of time, rounded to whole nanoseconds."""
    return round(exact(what, value, negative=negative) * _SECOND)


def exact(what: str, value: object, *, negative: bool = False) -> Fraction:
    """A length of time in seconds, without any rounding.

    Raises:
        UsageError: If it is no number of seconds, or negative.
    """
    if isinstance(value, timedelta):
        seconds = Fraction(value // timedelta(microseconds=1), 10**6)
    elif isinstance(value, int | float | Fraction | Decimal) and not isinstance(value, bool) and math.isfinite(value):
        seconds = Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
    else:
        raise UsageError(f"{what} must be a number of seconds, got {value!r}")
    if seconds < 0 and not negative:
        raise UsageError(f"{what} is negative, {value!r}: time only moves forward; give 0 or more seconds")
    return seconds


def told(nanoseconds: int) -> str:
    """A length of time as people write it: `15 s`, `0.1 s`."""
    return f"{Decimal(nanoseconds) / _SECOND:f} s"


def _capped(seconds: Fraction, most: Fraction | None) -> Fraction:
    return seconds if most is None else min(seconds, most)
