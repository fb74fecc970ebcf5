"""FileTimes: files that workers change show virtual times, so that a lock that is a file can be too old."""

from __future__ import annotations

import contextlib
import os

from jobchaos.core.conditions import Clock
from jobchaos.core.ports import Worker


class FileTimes:
    """Sets the times of files, as the system has set them to real ones.

    Some changes are known before they happen. Their times are owed, and set as soon as somebody looks.

    Args:
        clock: Virtual time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._owed: dict[str, int] = {}

    def changed(self, worker: Worker, path: str) -> None:
        """A worker has changed a file."""
        self.changing(worker, path)
        self.settle()

    def changing(self, worker: Worker, path: str) -> None:
        """A worker is about to change a file, or to make it."""
        self._owed[path] = self._clock.wall(worker.copy)

    def settle(self) -> None:
        """All that was announced has happened by now."""
        while self._owed:
            path, moment = self._owed.popitem()
            with contextlib.suppress(OSError):  # it may have been removed since, or be another one's
                os.utime(path, ns=(moment, moment))
