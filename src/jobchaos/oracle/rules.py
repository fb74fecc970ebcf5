"""Rules: what counts when the states of two runs are compared."""

from __future__ import annotations

from dataclasses import dataclass

from jobchaos.core.compare import Comparison, Fresh, Ignore, compare
from jobchaos.core.snapshot import State
from jobchaos.core.volatile import Volatile


@dataclass(frozen=True, slots=True)
class Rules:
    """What all judges of one check compare by.

    Attributes:
        initial: Content of each store when it was bound; one that a run has never touched stays at it.
        volatile: What depends on time and chance.
        ignore: What to leave out.
        ledgers: Names of stores that hold foreign effects.
    """

    initial: State
    volatile: Volatile
    ignore: Ignore
    ledgers: frozenset[str]

    def whole(self, state: State) -> State:
        """A state, with the stores that were not touched."""
        return {**self.initial, **state}

    def compare(self, expected: State, actual: State, fresh: tuple[Fresh, Fresh]) -> Comparison:
        """Compare two whole states, each with the random values that were handed out before it."""
        return compare(
            expected,
            actual,
            initial=self.initial,
            expected_fresh=fresh[0],
            actual_fresh=fresh[1],
            volatile=self.volatile,
            ignore=self.ignore,
        )
