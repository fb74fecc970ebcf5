"""Conditions: a port, as those in `ports.py`: what the engine asks of time and chance."""

from __future__ import annotations

from typing import Any, Protocol

from jobchaos.core.compare import Fresh


class Conditions(Protocol):
    """What must be the same in every run: the time it starts at, and the random values it is handed."""

    def begin(self, *, perturbed: bool) -> None:
        """A run begins. A perturbed one starts at another time and draws other values."""

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
