"""VirtualClock: integer nanoseconds that move only when told to."""

from __future__ import annotations

from jobchaos.errors import UsageError


class VirtualClock:
    """Virtual time of one check.

    Args:
        start: Nanoseconds since the epoch, UTC.
    """

    def __init__(self, start: int) -> None:
        self._now = start
        self.reads = 0
        """How often a controlled worker has looked at the time."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return self._now

    def advance(self, nanoseconds: int) -> None:
        """Let time pass.

        Raises:
            UsageError: If `nanoseconds` is negative.
        """
        if nanoseconds < 0:
            raise UsageError(f"time only moves forward; cannot advance by {nanoseconds} ns")
        self._now += nanoseconds

    def reset(self, start: int) -> None:
        """Begin a new run at `start`."""
        self._now = start
        self.reads = 0
