"""FileLeases: locks that are files with a time limit.

The limit is in the file (`{"owner": "a", "expires_at": 1900000060}`), or it is the age at which others break the lock.
That one nobody states before it has come.
"""

from __future__ import annotations

import os

from jobchaos.core.conditions import Clock
from jobchaos.core.ports import Worker
from jobchaos.probes.stated_times import distances_in, speaks_of_locks

LARGEST_LOCK = 4096
"""Bytes; what is longer is no lock."""


class FileLeases:
    """Who has written which times to come into which files.

    Args:
        clock: Virtual time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[tuple[Worker, str], int] = {}

    def made(self, worker: Worker, path: str) -> None:
        """A worker has made a file that was not there, or was told that it is."""
        if speaks_of_locks(os.path.basename(path)):
            worker.deadline(0)

    def renewed(self, worker: Worker) -> None:
        """A worker has given a file the present time."""
        worker.deadline(0)

    def written(self, worker: Worker, path: str, data: bytes) -> None:
        """A worker has written to a file, and not just at its end."""
        text = data.decode(errors="replace")
        distances = distances_in(text, self._clock.wall(worker.copy))
        for distance in dict.fromkeys(distances):
            worker.deadline(abs(distance))
        latest = max(distances, default=0)
        if latest <= 0:
            self.removed(worker, path)
            return
        self._until[worker, path] = self._clock.now() + latest
        if speaks_of_locks(f"{os.path.basename(path)} {text}"):
            worker.lease(_lease(path), latest)

    def linked(self, worker: Worker, source: str, target: str) -> None:
        """A worker has given a file a second name."""
        left = self._until.get((worker, source), 0) - self._clock.now()
        if left > 0:
            self._until[worker, target] = self._until[worker, source]
            if speaks_of_locks(os.path.basename(target)):
                worker.lease(_lease(target), left)
        else:
            self.made(worker, target)

    def removed(self, worker: Worker, path: str) -> None:
        """A worker has removed a file, or written over it."""
        self._until.pop((worker, path), None)
        worker.release(_lease(path))

    def forget(self) -> None:
        """A run is over."""
        self._until.clear()


def _lease(path: str) -> str:
    return f"lease:file:{path}"
