"""RetryPolicy: how often a job is executed, when, after which errors, and what happens when it is given up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from jobchaos.core.delays import (
    Delays,
    Exponential,
    Interval,
    Jitter,
    Listed,
    Polynomial,
    Seconds,
    checked_jitter,
    delays,
    exact,
    interval,
    jittered,
    nanoseconds,
)
from jobchaos.errors import UsageError

LEVELS = ("queue", "job")
LIMITS = ("after", "before", "clip")

_MANY = 30

Errors = tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a failed job is executed again, and when it is given up. Every value is validated when the policy is made.

    Attributes:
        executions: Most executions, the first included (systems count in different ways: `max_retries=3` of Celery
            are 4 executions); `math.inf` for no end. May be left out if the delays are a list, which has one less.
        delays: Seconds between the end of an execution and the next one: a number; a list, one after the other; or a
            function that takes how many executions there were. Each may be a pair, the shortest and the longest.
        jitter: What chance adds to a delay: `(0, 10)` seconds; a function that takes how many executions there were
            and gives such a pair; `"full"`, between nothing and the delay; `"equal"`, between half of it and all.
        longest: Seconds that no delay, jitter included, is longer than.
        give_up_after: Seconds since the first execution began after which the job is given up; None for no limit.
        limit: What that limit means: `after` gives up when an execution ends so late, `before` also when the next one
            would begin so late, `clip` makes the last delay shorter instead (as the library backoff does).
        retryable: Exceptions after which it is executed again, or a function that takes one and tells.
        fatal: Exceptions after which it is not, although they are of a retryable class.
        retry_after: Takes an error and gives the seconds until the next execution, if the error itself says when (as
            Celery's Retry does, or a `Retry-After` header that it carries); None if it does not.
        on_give_up: Is called with the last error when the job is given up, by whoever runs it.
        level: Who retries: the `queue`, by delivering again, or the `job` itself, within one delivery.
        most_tries: How often the queue's executions and the job's own may try one call in all.
        source: Where the policy comes from, for reports: `tenacity`, `Celery`; empty if it was given.
    """

    executions: int | float | None = None
    delays: Any = 0
    jitter: Jitter = None
    longest: Seconds | None = None
    give_up_after: Seconds | None = None
    limit: str = "after"
    retryable: Errors | Callable[[BaseException], bool] = (Exception,)
    fatal: Errors = ()
    retry_after: Callable[[BaseException], Seconds | None] | None = None
    on_give_up: Callable[[BaseException], object] | None = None
    level: str = "queue"
    most_tries: int = 16
    source: str = ""

    def __post_init__(self) -> None:
        read = delays(self.delays)
        object.__setattr__(self, "delays", read)
        object.__setattr__(self, "executions", _executions(self.executions, read))
        object.__setattr__(self, "retryable", _errors("retryable", self.retryable, or_function=True))
        object.__setattr__(self, "fatal", _errors("fatal", self.fatal))
        checked_jitter(self.jitter)
        for name in ("longest", "give_up_after"):
            if getattr(self, name) is not None:
                exact(name, getattr(self, name))
        for name, known in (("level", LEVELS), ("limit", LIMITS)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}")
        for name in ("retry_after", "on_give_up"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                raise UsageError(f"{name} must be a function that takes the last error, got {function!r}")
        if isinstance(self.retryable, tuple):
            useless = [error.__name__ for error in self.fatal if error in self.retryable]
            if useless:
                raise UsageError(f"{', '.join(useless)}: both retryable and fatal. Which is it? Name it in one of them")

    @classmethod
    def exponential(
        cls, executions: float, first: Seconds, *, base: float = 2, most: Seconds | None = None, **rest: Any
    ) -> RetryPolicy:
        """`first * base ** (n - 1)` seconds after n executions, and never more than `most`, before jitter."""
        cap = None if most is None else exact("most", most)
        return cls(executions=executions, delays=Exponential(exact("first", first), exact("base", base), cap), **rest)

    @classmethod
    def polynomial(
        cls,
        executions: float,
        power: int,
        *,
        factor: Seconds = 1,
        plus: Seconds = 0,
        shift: int = 0,
        most: Seconds | None = None,
        **rest: Any,
    ) -> RetryPolicy:
        """`factor * (n + shift) ** power + plus` seconds after n executions, and never more than `most`."""
        cap = None if most is None else exact("most", most)
        steps = Polynomial(power, exact("factor", factor), exact("plus", plus, negative=True), shift, cap)
        return cls(executions=executions, delays=steps, **rest)

    @classmethod
    def sidekiq(cls, retries: int = 25, **rest: Any) -> RetryPolicy:
        """What Sidekiq does unless told otherwise: 25 retries in about 21 days, then the dead set.

        After the n-th failure, n from 0, it waits `n ** 4 + 15 + rand(10 * (n + 1))` seconds, where `rand` gives a
        whole number below its argument. (Sidekiq 7 and 8, lib/sidekiq/job_retry.rb: `delay_for`, `process_retry`.)
        """
        chance = rest.pop("jitter", _sidekiq_jitter)
        return cls.polynomial(
            retries + 1, 4, plus=15, shift=-1, jitter=chance, **{"source": "Sidekiq's defaults", **rest}
        )

    @classmethod
    def active_job(cls, attempts: int = 5, wait: Seconds | str = 3, jitter: float = 0.15, **rest: Any) -> RetryPolicy:
        """What `retry_on` of Rails' Active Job does: 5 executions, 3 seconds and up to 15 % more between them.

        With `wait="polynomially_longer"` it waits `n ** 4 + rand * n ** 4 * jitter + 2` seconds after n executions.
        (Rails, activejob/lib/active_job/exceptions.rb: `determine_delay`.)

        Args:
            attempts: Executions.
            wait: Seconds, or `polynomially_longer`.
            jitter: Which share of the delay chance adds at most.
            **rest: Further fields of the policy.
        """
        share = exact("jitter", jitter)
        given = {"source": "Active Job's retry_on", **rest}
        if wait == "polynomially_longer":
            return cls.polynomial(attempts, 4, plus=2, jitter=lambda n: (0, share * n**4), **given)
        if isinstance(wait, str):
            raise UsageError(f"wait must be a number of seconds or 'polynomially_longer', got {wait!r}")
        seconds = exact("wait", wait)
        return cls(executions=attempts, delays=seconds, jitter=(0, seconds * share), **given)

    @property
    def is_endless(self) -> bool:
        """True if the number of executions alone would never end it."""
        return self.executions == math.inf

    @property
    def has_jitter(self) -> bool:
        """True if chance has a part in any of its first delays."""
        retries = range(1, int(min(self.executions or 1, _MANY)))
        return any(delay.low != delay.high for delay in map(self.delay, retries))

    def retries(self, error: BaseException) -> bool:
        """True if the job is executed again after this error, as far as the error decides."""
        if isinstance(error, self.fatal):
            return False
        return self.retryable(error) if callable(self.retryable) else isinstance(error, self.retryable)

    def postponed(self, error: BaseException) -> int | None:
        """Nanoseconds until the next execution, if the error itself says so."""
        seconds = None if self.retry_after is None else self.retry_after(error)
        return None if seconds is None else nanoseconds("retry_after", seconds)

    def delay(self, execution: int) -> Interval:
        """The delay after so many executions, from 1, in nanoseconds: its shortest and its longest."""
        planned = interval(f"the delay after execution {execution}", self.delays(execution))
        low, high = jittered(planned, self.jitter, execution)
        if self.longest is None:
            return Interval(low, high)
        most = nanoseconds("longest", self.longest)
        return Interval(min(low, most), min(high, most))

    def drawn(self, delay: Interval, *, late: bool) -> int:
        """The delay to try: the longest, or the shortest.

        Where nothing but time ends the retries, delays of nothing would go on for ever; they are tried at half.
        """
        if late:
            return delay.high
        return delay.high // 2 if self.is_endless and delay.low == 0 else delay.low

    def share(self, *, late: bool) -> float:
        """Which share of its chance to give a library that draws its delays itself, to the same end."""
        if late:
            return 1
        first = self.delay(1)
        return 0.5 if self.is_endless and first.low == 0 < first.high else 0

    def next(self, execution: int, elapsed: int) -> Interval | None:
        """The delay until the next execution; None if there is none.

        Args:
            execution: How many there were.
            elapsed: Nanoseconds since the first one began.
        """
        if execution >= (self.executions or 1):
            return None
        delay = self.delay(execution)
        if self.give_up_after is None:
            return delay
        left = nanoseconds("give_up_after", self.give_up_after) - elapsed
        if left <= 0 or (self.limit == "before" and delay.low >= left):
            return None
        return Interval(min(delay.low, left), min(delay.high, left)) if self.limit == "clip" else delay

    def moments(self, *, late: bool = False, most: int = 1000) -> tuple[int, ...]:
        """When executions begin that take no time, in nanoseconds after the first one begins.

        Args:
            late: Take each delay as long as it can be, instead of as short.
            most: How many moments at most, of a policy without end.
        """
        moments = [0]
        while len(moments) < most:
            delay = self.next(len(moments), moments[-1])
            if delay is None:
                break
            moments.append(moments[-1] + self.drawn(delay, late=late))
        return tuple(moments)


def _sidekiq_jitter(execution: int) -> tuple[int, int]:
    return 0, 10 * execution - 1


def _executions(value: object, read: Delays) -> int | float:
    listed = len(read.delays) + 1 if isinstance(read, Listed) else None
    if value is None and listed is not None:
        return listed
    if value is None:
        raise UsageError("executions= is missing: how often is the job executed in all? math.inf if there is no end")
    if value != math.inf and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise UsageError(
            f"executions must be a whole number from 1, the first execution included, or math.inf; got {value!r}"
        )
    if listed is not None and value != listed:
        raise UsageError(
            f"a list of {listed - 1} delays means {listed} executions, but executions={value} was given; leave out "
            "executions=, or give as many delays as there are retries"
        )
    return value


def _errors(name: str, value: Any, *, or_function: bool = False) -> Any:
    if isinstance(value, type) and issubclass(value, BaseException):
        raise UsageError(f"{name} must be a list of exception classes: [{value.__name__}], not {value.__name__}")
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        classes = tuple(value)
        if all(isinstance(one, type) and issubclass(one, BaseException) for one in classes):
            return classes
    elif or_function and callable(value):
        return value
    also = ", or a function that takes an exception and tells" if or_function else ""
    raise UsageError(f"{name} must be a list of exception classes{also}; got {value!r}")
