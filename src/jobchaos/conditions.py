"""RunConditions: every run starts at the same time and is handed the same random values."""

from __future__ import annotations

import datetime
import time
from typing import NamedTuple

from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.compare import Fresh
from jobchaos.core.conditions import DRIFT, SLOW
from jobchaos.core.settings import Settings
from jobchaos.probes.entropy import EntropyProbe

_EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
_SHIFT = 61_001_000_000  # ns: each perturbed run starts so much later; no round number in any unit


class HandedOut(NamedTuple):
    """What a forked worker was handed.

    Attributes:
        chunks: Random bytes.
        used_random: Whether it has drawn random values of any kind.
        clock_reads: How often it has looked at the time.
    """

    chunks: tuple[bytes, ...]
    used_random: bool
    clock_reads: int


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

    def begin_later(self) -> None:
        """See `Conditions.begin_later`."""
        self._start += _SHIFT

    def begin(self, *, perturbed: int) -> None:
        """See `Conditions.begin`."""
        self._clock.reset(self._start if perturbed == SLOW else self._start + _SHIFT * perturbed)
        self._clock.drift = DRIFT if perturbed == SLOW else 0
        self._entropy.start_run(self._seed + perturbed)

    def fresh(self) -> Fresh:
        """See `Conditions.fresh`."""
        return Fresh(tuple(self._entropy.chunks))

    def hand_over(self) -> HandedOut:
        """See `Conditions.hand_over`."""
        handed_out = HandedOut(tuple(self._entropy.chunks), self._entropy.used, self._clock.reads)
        self._entropy.chunks.clear()
        self._clock.reads = 0
        return handed_out

    def take_over(self, news: HandedOut) -> None:
        """See `Conditions.take_over`."""
        self._entropy.chunks += news.chunks
        self._entropy.used |= news.used_random
        self._clock.reads += news.clock_reads

    @property
    def read_clock(self) -> bool:
        """See `Conditions.read_clock`."""
        return self._clock.reads > 0

    @property
    def used_random(self) -> bool:
        """See `Conditions.used_random`."""
        return self._entropy.used


def start_time(settings: Settings) -> int:
    """Nanoseconds since the epoch at which all runs start.

    If nobody has said when, the last minute of an hour is avoided: a redelivery starts a little later, and must not
    fall into the next day.
    """
    if settings.now is not None:
        return (settings.now - _EPOCH) // datetime.timedelta(microseconds=1) * 1000
    start = time.time_ns()
    return start - 60 * 10**9 if start // 10**9 % 3600 >= 3540 else start
