"""The policy of backoff's `on_exception`, read from what its wrapper has closed over; see the library's README."""

from __future__ import annotations

import inspect
import itertools
import math
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import backoff

from jobchaos.adapters.decorators import UnreadableError
from jobchaos.adapters.extremes import both
from jobchaos.core.retry_policy import RetryPolicy

_KNOWN = {"wait_gen", "wait_gen_kwargs", "jitter", "max_tries", "max_time", "exception", "giveup"}
_MANY = 1000  # delays until a generator of them counts as one without end


def policy_of(function: Any) -> RetryPolicy | None:
    """The policy of a function that backoff's `on_exception` has decorated; None if it has not."""
    if not isinstance(function, types.FunctionType) or not set(function.__code__.co_freevars) >= _KNOWN:
        return None
    closed = inspect.getclosurevars(function).nonlocals
    most, limit = _value("max_tries", closed["max_tries"]), _value("max_time", closed["max_time"])
    waits = _Waits(closed["wait_gen"], closed["wait_gen_kwargs"], closed["jitter"])
    ends = [math.inf if most is None else most, waits.executions()]
    return RetryPolicy(
        executions=min(ends),
        delays=waits,
        give_up_after=limit,
        limit="clip",
        retryable=_retries(closed["exception"], closed["giveup"]),
        level="job",
        source="backoff",
    )


@dataclass(frozen=True, slots=True)
class _Waits:
    """Asks backoff's own generators for a delay: with the lowest random values, and with the highest."""

    generator: Callable[..., Any]
    options: Mapping[str, Any]
    jitter: Callable[[float], float] | None

    def __call__(self, execution: int) -> tuple[float, float]:
        delay = next(itertools.islice(self._delays(), execution - 1, None))
        if self.jitter is None:
            return delay, delay
        jitter = self.jitter
        return both(sys.modules.get(jitter.__module__), lambda: jitter(delay))

    def executions(self) -> float:
        """How many executions it has delays for."""
        try:
            given = sum(1 for _ in itertools.islice(self._delays(), _MANY))
        except OverflowError:  # exponential growth beyond what a float can hold
            return math.inf
        return math.inf if given == _MANY else given + 1

    def _delays(self) -> Any:
        if self.generator is backoff.runtime:
            raise UnreadableError("wait_gen=backoff.runtime computes delays from the error")
        try:
            delays = self.generator(**{name: _value(name, value) for name, value in self.options.items()})
            delays.send(None)
        except Exception as error:
            raise UnreadableError(f"wait_gen={self.generator!r} raises {error!r}") from error
        return delays


def _value(name: str, given: Any) -> Any:
    if not callable(given):
        return given
    try:
        return given()
    except Exception as error:
        raise UnreadableError(f"{name}={given!r} raises {error!r}") from error


def _retries(kinds: Any, giveup: Callable[[Exception], Any]) -> Callable[[BaseException], bool]:
    return lambda error: isinstance(error, kinds) and not giveup(error)
