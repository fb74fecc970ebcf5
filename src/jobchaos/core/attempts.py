"""attempt(): which execution of its message the running job is, as job systems tell their jobs."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

_tell: ContextVar[Callable[[], int] | None] = ContextVar("jobchaos_attempt")


def attempt() -> int:
    """Which execution of its message the calling job is, from 1; 1 outside a check.

    For a job under check in place of what its queue would tell it (`self.request.retries + 1` in Celery). A job that
    asks may do something else each time, so that it cannot be claimed to survive any number of redeliveries.
    """
    tell = _tell.get(None)
    return 1 if tell is None else tell()


def answer(tell: Callable[[], int] | None) -> None:
    """From now on, in the present context, `attempt` asks `tell`; nobody if it is None."""
    _tell.set(tell)
