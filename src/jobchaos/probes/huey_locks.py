"""HueyLockProbe: locks of `Huey.lock_task`, which keep copies apart in a check as they do in production.

They are kept here and not in Huey's storage: nothing is stored there in a check. What a dead worker holds is released,
as `huey_consumer --flush-locks` does; without that flag it stays locked, and no redelivery ever runs. One with a
`ttl` is a lease, as in Redis: when its time is over another worker gets it, and who leaves its block frees it for all.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.library import LibraryProbe

_SIZE, _HEAD = 2**16, 4  # bytes
_SECOND = 10**9  # ns


class HueyLockProbe(LibraryProbe):
    """Answers for controlled workers in place of the storage."""

    library = "huey.api"

    def __init__(self) -> None:
        super().__init__()
        self._holders = Holders()

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from huey.api import TaskLock
        from huey.exceptions import TaskLockedException

        acquire, clear, is_locked, leave = (vars(TaskLock)[name] for name in ("acquire", "clear", "locked", "__exit__"))

        def acquired(lock: Any) -> Any:
            worker = self.worker()
            if worker is None:
                return acquire(lock)
            if not self._acquire(lock, worker):
                raise TaskLockedException(f"unable to acquire lock {lock._name}")  # noqa: SLF001 - as Huey says it
            return True

        def cleared(lock: Any) -> Any:
            worker = self.worker()
            return clear(lock) if worker is None else self._release(lock, worker)

        def asked(lock: Any) -> Any:
            worker = self.worker()
            return is_locked(lock) if worker is None else self._is_locked(lock, worker)

        def left(lock: Any, *error: object) -> None:
            worker = self.worker()
            if worker is None:
                leave(lock, *error)
            else:
                self._release(lock, worker)

        replacements = {"acquire": acquired, "__exit__": left, "clear": cleared, "release": cleared}
        for name, replacement in {**replacements, "is_locked": asked, "locked": asked}.items():
            self.patches.set(TaskLock, name, replacement)

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        if worker.dead:
            self._holders.drop(worker.copy)

    def reaped(self, copy: str, attempt: int) -> None:
        """See `Probe.reaped`."""
        self._holders.drop(copy)

    def settle(self) -> None:
        """See `Probe.settle`."""
        self._holders.drop()

    def _acquire(self, lock: Any, worker: Worker) -> bool:
        worker.hold(_resource(lock))
        if self._holders.has(lock._key, self._now):  # noqa: SLF001 - what it is called in the storage
            worker.let_go(_resource(lock))
            return False
        ttl = getattr(lock, "_ttl", None)  # Huey before 3.0 has none
        self._holders.add(lock._key, worker.copy, None if ttl is None else self._now + ttl * _SECOND)  # noqa: SLF001
        if ttl is not None:
            worker.lease(_lease(lock), ttl * _SECOND)
        return True

    @property
    def _now(self) -> int:
        return 0 if self.control is None else self.control.clock.now()

    def _release(self, lock: Any, worker: Worker) -> bool:
        was_locked = self._is_locked(lock, worker)
        self._holders.remove(lock._key)  # noqa: SLF001
        worker.let_go(_resource(lock))
        worker.release(_lease(lock))
        return was_locked

    def _is_locked(self, lock: Any, worker: Worker) -> bool:
        worker.hold(_resource(lock))
        worker.let_go(_resource(lock))  # what it does next may depend on the answer
        return self._holders.has(lock._key, self._now)  # noqa: SLF001


def _resource(lock: Any) -> str:
    return f"lock:{lock._key}"  # noqa: SLF001


def _lease(lock: Any) -> str:
    return f"lease:huey/{lock._name}"  # noqa: SLF001


class Holders:
    """Which copy has which lock, in memory that forked workers share. Of all workers only one moves at a time."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)

    def has(self, key: str, now: int) -> bool:
        """True if a lock is held at a virtual time."""
        if key not in (held := self._read()):
            return False
        until = held[key][1]
        return until is None or until > now

    def add(self, key: str, copy: str, until: int | None) -> None:
        """A copy has a lock, until a virtual time if that is given."""
        self._write({**self._read(), key: (copy, until)})

    def remove(self, key: str) -> None:
        """Nobody has a lock any more."""
        self._write({other: holder for other, holder in self._read().items() if other != key})

    def drop(self, copy: str = "") -> None:
        """Forget what a copy has; or all, if none is named."""
        if held := self._read():
            self._write({key: holder for key, holder in held.items() if copy and holder[0] != copy})

    def _read(self) -> dict[str, tuple[str, int | None]]:
        length = int.from_bytes(self._memory[:_HEAD], "big")
        held: dict[str, tuple[str, int | None]] = json.loads(self._memory[_HEAD : _HEAD + length]) if length else {}
        return held

    def _write(self, held: Mapping[str, tuple[str, int | None]]) -> None:
        text = json.dumps(held).encode() if held else b""
        self._memory[: _HEAD + len(text)] = len(text).to_bytes(_HEAD, "big") + text
