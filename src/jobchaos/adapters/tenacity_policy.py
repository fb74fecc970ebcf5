"""The policy of tenacity's decorators, read from `function.retry`; see https://tenacity.readthedocs.io."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import tenacity
import tenacity.stop
import tenacity.wait

from jobchaos.adapters.decorators import UnreadableError
from jobchaos.adapters.extremes import both
from jobchaos.core.retry_policy import RetryPolicy


def policy_of(function: Any) -> RetryPolicy | None:
    """The policy of a function that tenacity has decorated; None if it has not."""
    retrying = getattr(function, "retry", None)
    if not isinstance(retrying, tenacity.BaseRetrying):
        return None
    waits = _Waits(retrying)
    waits(1)
    return RetryPolicy(
        delays=waits,
        retryable=_Retries(retrying),
        retry_after=waits.after if _looks_at_the_error(retrying.wait) else None,
        level="job",
        source="tenacity",
        **stops(retrying.stop),
    )


def stops(stop: Any) -> dict[str, Any]:
    """When one of tenacity's `stop_...` ends it, as fields of a policy.

    Raises:
        UnreadableError: If it is none that is known.
    """
    if stop is tenacity.stop_never:
        return {"executions": math.inf}
    if isinstance(stop, tenacity.stop_after_attempt):
        return {"executions": stop.max_attempt_number}
    if isinstance(stop, tenacity.stop_after_delay):
        return {"executions": math.inf, "give_up_after": stop.max_delay}
    if isinstance(stop, tenacity.stop_before_delay):
        return {"executions": math.inf, "give_up_after": stop.max_delay, "limit": "before"}
    if isinstance(stop, tenacity.stop.stop_any):
        parts = [stops(part) for part in stop.stops]
        limits = [part for part in parts if "give_up_after" in part]
        if len(limits) < 2:
            return {**(limits[0] if limits else {}), "executions": min(part["executions"] for part in parts)}
    raise UnreadableError(f"stop={getattr(stop, '__name__', type(stop).__name__)}")


@dataclass(frozen=True, slots=True)
class _Waits:
    """Asks tenacity itself for a delay: with the lowest random values, and with the highest."""

    retrying: Any

    def after(self, error: BaseException) -> float:
        """The delay that an error itself asks for."""
        return float(self.retrying.wait(_state(self.retrying, 1, error)))

    def __call__(self, execution: int) -> tuple[float, float]:
        state = _state(self.retrying, execution, Exception("injected by jobchaos"))
        try:
            return both(tenacity.wait, lambda: float(self.retrying.wait(state)))
        except Exception as error:
            raise UnreadableError(f"wait={self.retrying.wait!r} raises {error!r} for a plain exception") from error


@dataclass(frozen=True, slots=True)
class _Retries:
    """Asks tenacity itself whether it retries after an error."""

    retrying: Any

    def __call__(self, error: BaseException) -> bool:
        return bool(self.retrying.retry(_state(self.retrying, 1, error)))


def _looks_at_the_error(wait: Any) -> bool:
    """True if a delay may depend on what was raised, as with a `Retry-After` header."""
    parts = (*getattr(wait, "wait_funcs", ()), *getattr(wait, "strategies", ()))
    if type(wait).__module__ == tenacity.wait.__name__:
        return isinstance(wait, getattr(tenacity.wait, "wait_exception", ())) or any(map(_looks_at_the_error, parts))
    code = getattr(wait, "__code__", None) or getattr(type(wait).__call__, "__code__", None)
    return code is None or "outcome" in code.co_names


def _state(retrying: Any, execution: int, error: BaseException) -> tenacity.RetryCallState:
    state = tenacity.RetryCallState(retrying, None, (), {})
    state.attempt_number = execution
    state.set_exception((type(error), error, None))
    return state
