"""lease(): a job says that it holds a lock that frees itself after a time."""

from __future__ import annotations

import math
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from jobchaos.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

DECLARED = "lease:"
"""Begins the resource path of every lease."""


class Holder(Protocol):
    """Who takes leases: the part of `Worker` that deals with times to come."""

    def lease(self, name: str, ttl: int) -> None:
        """Say that the worker has got, or renewed, a lock that frees itself: it may be taken by others after `ttl`.

        Call it after the effect that has got it. Schedules then let time pass just beyond, and reports tell who goes on
        without it. It is nothing that `wait` waits for, and no step.

        Args:
            name: Resource path of the lock, the same for all who compete for it: `lease:redis/0/lock:invoice:42`.
            ttl: Nanoseconds of virtual time from now.
        """

    def release(self, name: str, *, and_parts: bool = False) -> None:
        """Say that the worker has given a lease back. Nothing happens if it holds none of that name.

        Args:
            name: Resource path of the lock.
            and_parts: Whether this is also true of its parts, and of what it is a part of: rows and their table.
        """

    def deadline(self, nanoseconds: int) -> None:
        """Say that the job has stated a moment to come, so many nanoseconds from now: schedules let time pass beyond.

        Args:
            nanoseconds: From now; 0 if it has written down the present moment, which it may count from later.
        """

    def refuse(self, error: Exception) -> None:
        """End the check with an error: the job declares what cannot be."""


_holder: ContextVar[Holder | None] = ContextVar("jobchaos_holder")


class Lease:
    """A lease that the calling job says it holds. As a context manager, it is given back at the end of the block.

    Args:
        name: See `lease`.
        ttl: See `lease`.
    """

    def __init__(self, name: str, ttl: float | timedelta) -> None:
        self._name = name
        self._ttl = ttl
        self.renew()

    def renew(self) -> None:
        """It has been prolonged: from now on it runs as long as in the beginning."""
        holder = _holder.get(None)
        if holder is not None:
            try:
                name, ttl = _checked(self._name, self._ttl)
            except UsageError as error:
                return holder.refuse(error)  # raised here, it would look like the job's own failure
            holder.lease(name, ttl)
        return None

    def release(self) -> None:
        """It has been given back."""
        holder = _holder.get(None)
        if holder is not None:
            holder.release(f"{DECLARED}{self._name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def lease(name: str, ttl: float | timedelta) -> Lease:
    """Tell jobchaos that the calling job now holds a lock that others may take after `ttl`.

    It locks nothing: call it when your own lock has been got, and again (or `renew`) when it was prolonged. Checks let
    time pass just beyond its end while the job is paused. Outside a check nothing happens at all.

    Args:
        name: The lock's name, the same for all who compete for it: `invoice:42`.
        ttl: Seconds, or a `timedelta`, after which others may take it.

    Returns:
        A context manager that tells at its end that the lock was given back; so does `release()`.

    Raises:
        UsageError: In a check, if the name is empty or the time is not above 0.
    """
    return Lease(name, ttl)


def held_by(holder: Holder | None) -> None:
    """From now on, in the present context, leases are `holder`'s; nobody's if it is None."""
    _holder.set(holder)


def _checked(name: object, ttl: object) -> tuple[str, int]:
    """The resource path, and nanoseconds."""
    if not isinstance(name, str) or not name:
        raise UsageError(f'a lease has a name, as in jobchaos.lease("invoice:42", 60); got {name!r}')
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < math.inf:
        raise UsageError(
            f"jobchaos.lease({name!r}, {ttl!r}): a lease runs for a number of seconds above 0, or a timedelta. "
            "A lock that never runs out is no lease, and need not be told"
        )
    return f"{DECLARED}{name}", max(1, round(seconds * 10**9))
