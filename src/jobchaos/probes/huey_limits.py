"""HueyLimitProbe: rate limits of `Huey.rate_limit`, which hold for all copies of a burst as they do in production.

They are counted here and not in Huey's storage: nothing is stored there in a check. Where copies do not share their
time, a limit lets everything in: all that it could do is to postpone.
"""

from __future__ import annotations

from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.library import LibraryProbe

_SECOND = 10**9  # ns


class HueyLimitProbe(LibraryProbe):
    """Counts for controlled workers in place of the storage, in Huey's own windows of virtual time."""

    library = "huey.api"

    def __init__(self) -> None:
        super().__init__()
        self._used: dict[tuple[str, int], int] = {}

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        import huey.api

        limit_class = getattr(huey.api, "RateLimit", None)
        if limit_class is None:
            return  # an older Huey
        acquire = limit_class.acquire

        def acquired(limit: Any) -> None:
            worker = self.worker()
            if worker is None:
                acquire(limit)
            else:
                self._acquire(limit, worker)

        self.patches.set(limit_class, "acquire", acquired)

    def settle(self) -> None:
        """See `Probe.settle`."""
        self._used.clear()

    def _acquire(self, limit: Any, worker: Worker) -> None:
        from huey.exceptions import RateLimitExceeded

        if self.control is None or not self.control.shares_time:
            return
        now = self.control.clock.wall(worker.copy) / _SECOND
        place = limit._counter_key, limit._current_window(now)  # noqa: SLF001 - as Huey counts them
        self._used[place] = self._used.get(place, 0) + 1
        if self._used[place] > limit._limit:  # noqa: SLF001
            raise RateLimitExceeded(limit._name, limit._time_until_reset(now), retry=limit._retry)  # noqa: SLF001
