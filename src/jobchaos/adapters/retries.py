"""Retries: what a job system with a policy does when a job fails, for jobs that are coroutines and for others."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from jobchaos.core.delays import told
from jobchaos.core.redelivery import GivenUp, Redelivery, message
from jobchaos.core.retry_policy import RetryPolicy

Decide = Callable[[BaseException, int], BaseException]
"""Takes what a job has raised, and its number of executions; gives what is to be raised instead."""


def executions() -> int:
    """How often the running copy was executed before, not counting kills: what its message carries."""
    carried = message()
    return carried if isinstance(carried, int) else 0


def deliver(call: Callable[[], Any], decide: Decide, conclude: Callable[[Any], Any] = lambda result: result) -> Any:
    """Call a job once.

    Args:
        call: The job; what it returns may be a coroutine, and then so is what this returns.
        decide: What becomes of an exception. Death passes untouched, and so does what nobody should catch.
        conclude: What becomes of a result; may raise, too.
    """
    try:
        result = call()
    except Exception as error:
        raise decide(error, executions() + 1) from error
    return _awaited(result, decide, conclude) if inspect.iscoroutine(result) else conclude(result)


async def _awaited(coroutine: Any, decide: Decide, conclude: Callable[[Any], Any]) -> Any:
    try:
        result = await coroutine
    except Exception as error:
        raise decide(error, executions() + 1) from error
    return conclude(result)


def by(policy: RetryPolicy) -> Decide:
    """Decide by a policy."""

    def decide(error: BaseException, executed: int) -> BaseException:
        delay = policy.next(executed, 0) if policy.retries(error) else None
        return GivenUp(error) if delay is None else again(error, executed, delay.low)

    return decide


def again(why: BaseException | str, executed: int, nanoseconds: int) -> Redelivery:
    """The message is delivered again, after so many executions."""
    reason = why if isinstance(why, str) else f"{type(why).__name__}: {why}"
    return Redelivery(f"{reason}, to be retried in {told(nanoseconds)}", nanoseconds, executed)
