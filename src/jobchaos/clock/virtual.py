"""VirtualClock: integer nanoseconds that move only when told to."""

from __future__ import annotations

from collections.abc import Callable

from jobchaos.errors import UsageError

_UPTIME = 1000 * 10**9  # ns that the machine has been up when the clock is made


class VirtualClock:
    """Virtual time of one check.

    Args:
        start: Nanoseconds since the epoch, UTC.
        uptime: Nanoseconds since the machine was booted.
    """

    def __init__(self, start: int, uptime: int = _UPTIME) -> None:
        self._now = self._start = start
        self._boot = start - uptime
        self._passes: Callable[[], int] = int
        self._skews: dict[str, int] = {}
        self.reads = 0
        """How often a controlled worker has looked at the time."""
        self.drift = 0
        """Nanoseconds that pass with each look."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return self._now + self._passes()

    def elapsed(self) -> int:
        """Nanoseconds since the present run began."""
        return self.now() - self._start

    def wall(self, letter: str) -> int:
        """Nanoseconds since the epoch, as the wall clock of a copy's machine shows them.

        Args:
            letter: The copy's letter.
        """
        return self.now() + self._skews.get(letter, 0)

    def monotonic(self) -> int:
        """Nanoseconds since the machine was booted, which nobody sets: skew is not in them.

        They are small enough for `time.monotonic`'s float to be exact, which seconds since the epoch are not.
        """
        return self.now() - self._boot

    def look(self) -> None:
        """A controlled worker looks at the time."""
        self.reads += 1
        self._now += self.drift

    def skew(self, letter: str, nanoseconds: int) -> None:
        """Let the wall clock of a copy's machine be wrong.

        Args:
            letter: The copy's letter.
            nanoseconds: How far it is ahead; negative if it is behind.
        """
        self._skews[letter] = nanoseconds

    def advance(self, nanoseconds: int) -> None:
        """Let time pass.

        Raises:
            UsageError: If `nanoseconds` is negative.
        """
        if nanoseconds < 0:
            raise UsageError(f"time only moves forward; cannot advance by {nanoseconds} ns")
        self._now += nanoseconds

    def follow(self, passed: Callable[[], int]) -> None:
        """Let time pass by itself from now on.

        Args:
            passed: How many nanoseconds have passed since then.
        """
        self._passes = passed

    def reset(self, start: int) -> None:
        """Begin a new run at `start`, with all machines right."""
        self._now = self._start = start
        self._skews.clear()
        self.reads = 0
