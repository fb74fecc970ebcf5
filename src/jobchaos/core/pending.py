"""Pending: an effect between its step and its answer, as a probe sees it."""

from __future__ import annotations

from typing import Protocol


class Pending(Protocol):
    """An effect that has been let through and is happening now. Either `done` or `failed` is called, once."""

    @property
    def is_silent(self) -> bool:
        """True if the schedule has let nobody hear of it."""

    def done(self, outcome: str = "", *, changed: bool = True) -> None:
        """It is applied.

        Args:
            outcome: What the far side answered: `-> 0`, `250`.
            changed: False if it has surely changed nothing, so that it was as good as a read: no row was matched, or
                what was to be written was there already. Then fewer overlaps have to be run.
        """

    def failed(self, error: BaseException, *, complete: bool = True, changed: bool = True) -> bool:
        """It was refused by the far side, or its reply was lost.

        Args:
            error: What the driver has raised.
            complete: False if it takes several exchanges, and the one that would have applied it was not reached.
            changed: See `done`.

        Returns:
            True if it has been applied all the same: the schedule let its answer come too late. What the effect leaves
            with others, unless the effect itself says so (`Effect.foreign`), is then to be recorded.
        """

    def add(self, outcome: str) -> None:
        """After `done`: more of the answer has become known (a row was fetched)."""
