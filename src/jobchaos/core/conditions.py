"""Clock and Conditions: ports, as those in `ports.py`: what the engine asks of time and chance."""

from __future__ import annotations

from typing import Any, Protocol

from jobchaos.core.fresh import Fresh

FAR = 591_545
"""The perturbed run that is so late that year, month, day, weekday, hour and minute are others, too."""
SLOW = -1
"""The perturbed run that begins at the usual time, and in which time passes with each look at the clock."""
DRIFT = 7_001_000_000
"""Nanoseconds that pass with each; shows also in what is rounded to seconds, and no counter is likely to differ so."""


class Clock(Protocol):
    """Virtual time."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""

    def elapsed(self) -> int:
        """Nanoseconds since the present run began."""

    def wall(self, letter: str) -> int:
        """Nanoseconds since the epoch, as the wall clock of a copy's machine shows them."""

    def advance(self, nanoseconds: int) -> None:
        """Let time pass. Negative values are an error."""

    def skew(self, letter: str, nanoseconds: int) -> None:
        """Let the wall clock of a copy's machine be ahead, or behind if negative, until the run ends."""


class Conditions(Protocol):
    """What must be the same in every run: the time it starts at, and the random values it is handed."""

    def begin_later(self) -> None:
        """Let all runs begin at another time from now on."""

    def begin(self, *, perturbed: int) -> None:
        """A run begins. A perturbed one starts at another time and draws other values, others for each number but 0."""

    def fresh(self) -> Fresh:
        """The random values handed out since `begin`."""

    def hand_over(self) -> Any:
        """In a forked worker: what was handed out since the last call, for `take_over`."""

    def take_over(self, news: Any) -> None:
        """Enter what a forked worker was handed, as if it had been handed out here."""

    @property
    def read_clock(self) -> bool:
        """True if a worker has looked at the time since `begin`."""

    @property
    def used_random(self) -> bool:
        """True if a worker has drawn random values since `begin`."""
