"""Vessel: what an attempt runs in."""

from __future__ import annotations

from typing import Protocol


class Vessel(Protocol):
    """What an attempt runs in: a thread or a process."""

    def park(self) -> None:
        """Give the baton back, and wait until it is lent again."""

    def die(self) -> None:
        """End the attempt here and now: raise `WorkerKilled`, or never return."""
