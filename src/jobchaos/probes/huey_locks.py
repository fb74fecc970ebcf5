"""HueyLockProbe: locks of `Huey.lock_task`, which keep copies apart in a check as they do in production.

They are kept here and not in Huey's storage: nothing is stored there in a check. What a dead worker holds is released,
as `huey_consumer --flush-locks` does; without that flag it stays locked, and no redelivery ever runs.
"""

from __future__ import annotations

import threading
from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.library import LibraryProbe
from jobchaos.probes.locks import ProbedLock


class HueyLockProbe(LibraryProbe):
    """Answers for controlled workers in place of the storage."""

    library = "huey.api"

    def __init__(self) -> None:
        super().__init__()
        self._locks: dict[str, ProbedLock] = {}

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from huey.api import TaskLock
        from huey.exceptions import TaskLockedException

        acquire, clear, is_locked, leave = (vars(TaskLock)[name] for name in ("acquire", "clear", "locked", "__exit__"))

        def acquired(lock: Any) -> Any:
            if self.worker() is None:
                return acquire(lock)
            if not self._lock(lock).acquire(blocking=False):
                raise TaskLockedException(f"unable to acquire lock {lock._name}")  # noqa: SLF001 - as Huey says it
            return True

        def cleared(lock: Any) -> Any:
            return clear(lock) if self.worker() is None else self._release(lock)

        def asked(lock: Any) -> Any:
            return is_locked(lock) if self.worker() is None else self._lock(lock).locked()

        def left(lock: Any, *error: object) -> None:
            if self.worker() is None:
                leave(lock, *error)
            else:
                self._release(lock)

        replacements = {"acquire": acquired, "__exit__": left, "clear": cleared, "release": cleared}
        for name, replacement in {**replacements, "is_locked": asked, "locked": asked}.items():
            self.patches.set(TaskLock, name, replacement)

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        if worker.dead:
            for lock in self._locks.values():
                lock.abandon(worker)

    def settle(self) -> None:
        """See `Probe.settle`."""
        for lock in self._locks.values():
            lock.reset()

    def _lock(self, lock: Any) -> ProbedLock:
        assert self.control is not None  # noqa: S101 - only asked while it is watched
        key = lock._key  # noqa: SLF001 - what it is called in the storage
        return self._locks.setdefault(key, ProbedLock(threading.Lock(), key, self.control))

    def _release(self, lock: Any) -> bool:
        known = self._lock(lock)
        if known.locked():
            known.release()
            return True
        return False
