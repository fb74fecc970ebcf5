"""RunConditions: every run starts at the same time and is handed the same random values."""

from __future__ import annotations

from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.compare import Fresh
from jobchaos.probes.entropy import EntropyProbe

_SHIFT = 61_001_000_000  # ns: a perturbed run starts so much later; no round number in any unit


class RunConditions:
    """Implements `Conditions` for a check.

    Args:
        clock: The check's clock.
        entropy: Hands out random values.
        start: Virtual time at which runs start, in nanoseconds since the epoch.
        seed: Seed of the random values.
    """

    def __init__(self, clock: VirtualClock, entropy: EntropyProbe, start: int, seed: int) -> None:
        self._clock = clock
        self._entropy = entropy
        self._start = start
        self._seed = seed

    def begin(self, *, perturbed: bool) -> None:
        """See `Conditions.begin`."""
        self._clock.reset(self._start + (_SHIFT if perturbed else 0))
        self._entropy.start_run(self._seed + perturbed)

    def fresh(self) -> Fresh:
        """See `Conditions.fresh`."""
        return Fresh(tuple(self._entropy.chunks))

    @property
    def read_clock(self) -> bool:
        """See `Conditions.read_clock`."""
        return self._clock.reads > 0

    @property
    def used_random(self) -> bool:
        """See `Conditions.used_random`."""
        return self._entropy.used
