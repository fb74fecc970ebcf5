"""Deadline: when the time of a budget is over."""

from __future__ import annotations

from collections.abc import Callable


class Deadline:
    """A moment of real time, counted from now.

    Args:
        seconds: How far off it is; None never comes.
        clock: Gives seconds of real time. A parameter, since jobs run under a fake clock: give it
            `jobchaos.clock.freeze.wall_seconds`.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    @property
    def is_over(self) -> bool:
        """True from that moment on."""
        return self._end is not None and self._clock() >= self._end
