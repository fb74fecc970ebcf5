"""Leases: the times to come that one attempt has told of, entered into the trace."""

from __future__ import annotations

from typing import Protocol

from jobchaos.core.trace import Happening, TraceEvent
from jobchaos.engine.stage import Stage


class Teller(Protocol):
    """Whose they are."""

    @property
    def copy(self) -> str:
        """The copy's letter."""

    @property
    def attempt(self) -> int:
        """Which execution of it."""

    @property
    def dead(self) -> bool:
        """True once it was killed: then it has nothing to tell."""


class Leases:
    """What one attempt holds.

    Args:
        teller: The attempt.
        stage: Where it is entered.
    """

    def __init__(self, teller: Teller, stage: Stage) -> None:
        self._teller = teller
        self._stage = stage
        self._held: set[str] = set()

    def lease(self, name: str, ttl: int) -> None:
        """See `Worker.lease`."""
        self._held.add(name)
        self.foresee(Happening.LEASED, name, ttl)

    def release(self, name: str, *, and_parts: bool) -> None:
        """See `Worker.release`."""
        for held in sorted(self._held):
            if held == name or (and_parts and (held.startswith(f"{name}/") or name.startswith(f"{held}/"))):
                self._held.remove(held)
                self.foresee(Happening.RELEASED, held, 0)

    def foresee(self, happening: Happening, detail: str, nanoseconds: int) -> None:
        """Enter something that is so, or comes, so many nanoseconds from now."""
        teller, now = self._teller, self._stage.clock.now()
        if not teller.dead:
            until = 0 if happening is Happening.RELEASED else now + nanoseconds
            self._stage.append(TraceEvent(happening, teller.copy, teller.attempt, None, detail, now, until=until))
