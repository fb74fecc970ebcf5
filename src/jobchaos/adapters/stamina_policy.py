"""The policy of stamina's decorators, read from what its wrapper has closed over; see https://stamina.hynek.me.

The delay after n executions is `min(wait_max, wait_initial * wait_exp_base ** (n - 1) + random(0, wait_jitter))`.
"""

from __future__ import annotations

import datetime
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import stamina

from jobchaos.adapters.decorators import UnreadableError
from jobchaos.adapters.tenacity_policy import stops
from jobchaos.core.retry_policy import RetryPolicy


def policy_of(function: Any) -> RetryPolicy | None:
    """The policy of a function that stamina has decorated; None if it has not."""
    if not isinstance(function, types.FunctionType) or "retry_ctx" not in function.__code__.co_freevars:
        return None
    context = inspect.getclosurevars(function).nonlocals["retry_ctx"]
    if not type(context).__module__.startswith("stamina."):
        return None
    if not stamina.is_active():
        return RetryPolicy(executions=1, level="job", source="stamina, which is switched off")
    if stamina.is_testing():
        raise UnreadableError("it is in testing mode, in which it does not wait; call stamina.set_testing(False)")
    try:
        ends = stops(context._t_kw["stop"])  # noqa: SLF001 - there is no other way to know
        initial, base = context._wait_initial, context._wait_exp_base  # noqa: SLF001
        most, jitter = context._wait_max, context._wait_jitter  # noqa: SLF001
    except (AttributeError, KeyError) as error:
        raise UnreadableError(f"stamina {stamina.__name__} has no {error}") from error
    executions = ends.pop("executions")
    hook = getattr(context._t_kw["retry"], "_backoff_hook", None)  # noqa: SLF001
    return RetryPolicy.exponential(
        executions,
        initial,
        base=base,
        jitter=(0, jitter),
        longest=most,
        retry_after=hook and functools.partial(_asked_for, hook),
        level="job",
        source="stamina",
        **ends,
    )


def _asked_for(hook: Callable[[Any], Any], error: BaseException) -> float | None:
    """The delay that a hook gives instead of a plain yes."""
    asked = hook(error)
    if isinstance(asked, datetime.timedelta):
        return asked.total_seconds()
    return None if asked is None or isinstance(asked, bool) else float(asked)
