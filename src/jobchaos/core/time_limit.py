"""What a job system raises inside a job whose time is over, so that a schedule can let that happen at any effect."""

from __future__ import annotations

from contextvars import ContextVar

_limit: ContextVar[type[BaseException] | None] = ContextVar("jobchaos_time_limit", default=None)


def limited_by(error: type[BaseException] | None) -> None:
    """From now on, in the present context, a job whose time is over gets this; None for no limit."""
    _limit.set(error)


def time_is_over() -> BaseException:
    """What the running job gets when its time is over."""
    error = _limit.get() or TimeoutError
    return error("its time limit is over")
