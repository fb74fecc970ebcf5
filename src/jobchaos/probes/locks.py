"""LockProbe: a copy that waits for a lock of `threading` waits in the schedule, not in earnest.

The copy that holds the lock is parked, so that nobody would ever release it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.core.project import is_project_file
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.contended import never_comes
from jobchaos.probes.lock_methods import KINDS, NEVER, replace_in_conditions, replace_methods
from jobchaos.probes.lock_names import LockNames, taker_of
from jobchaos.probes.turns import Turns, at_once

_NAMELESS = "a lock that the project has no name for"

_Acquire = Callable[..., bool]


@dataclass(slots=True)
class _Held:
    """A lock that a worker holds.

    Attributes:
        lock: The lock.
        resource: See `LockNames.of`.
        worker: Who holds it.
        times: How often, if it is a reentrant one.
        is_left: Whether the worker has ended.
    """

    lock: Any
    resource: str
    worker: Worker
    times: int = 0
    is_left: bool = False


class LockProbe(BaseProbe):
    """Replaces what locks do, wherever they are kept and whenever they were made, for controlled workers.

    Args:
        names: What the project calls them. Only those that have a name are a part of effects, and can hang.
        turns: How to wait for them.
    """

    def __init__(self, names: LockNames, turns: Turns) -> None:
        self._names = names
        self._turns = turns
        self._patches = Patches()
        self._control: Control | None = None
        self._held: dict[int, _Held] = {}

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        for kind in KINDS:
            methods = self._methods(kind)
            replace_methods(self._patches, kind, {name: methods[name] for name in methods if name in vars(kind)})
        replace_in_conditions(self._patches)

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._control = None  # conditions that the job has made keep the methods of their locks
        self._held.clear()

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`: the memory of a dead process is gone, and its locks with it."""
        if worker.dead:
            self._free(lambda held: held.worker is worker)
        for held in list(self._held.values()):
            held.is_left = held.is_left or held.worker is worker

    def settle(self) -> None:
        """See `Probe.settle`: the next run begins with locks that nobody holds."""
        self._free(lambda held: bool(held.resource))  # others may be signals for threads that are still there
        self._held.clear()

    def _methods(self, kind: Any) -> dict[str, Callable[..., object]]:
        acquire: _Acquire = kind.acquire
        release: Callable[[Any], None] = kind.release
        is_locked: Callable[[Any], bool] = getattr(kind, "locked", bool)  # not every kind can tell

        def acquired(lock: Any, blocking: bool = True, timeout: float = NEVER) -> bool:
            return self._acquire(lock, acquire, sys._getframe(1), blocking, timeout)  # noqa: SLF001 - the documented way

        def entered(lock: Any) -> bool:
            return self._acquire(lock, acquire, sys._getframe(1))  # noqa: SLF001

        def released(lock: Any) -> None:
            self._release(lock, release, sys._getframe(1))  # noqa: SLF001

        def exited(lock: Any, *_: object) -> None:
            self._release(lock, release, sys._getframe(1))  # noqa: SLF001

        def locked(lock: Any) -> bool:
            self._asked(lock, sys._getframe(1))  # noqa: SLF001
            return is_locked(lock)

        return {
            "acquire": acquired,
            "__enter__": entered,
            "release": released,
            "__exit__": exited,
            "locked": locked,
        }

    def _acquire(
        self, lock: Any, genuine: _Acquire, frame: FrameType, blocking: bool = True, timeout: float = NEVER
    ) -> bool:
        worker = self._worker()
        if worker is None or not (timeout == NEVER or (blocking and timeout >= 0)):
            taken = genuine(lock, blocking, timeout)
            if taken and self._held:
                self._forget(lock)
            return taken
        if self._names.has_none(lock) and genuine(lock, False):  # most, in libraries: a hot path
            self._keep(worker, lock, "")
            return True
        limit = 0.0 if not blocking else None if timeout == NEVER else timeout
        taker = taker_of(frame)
        resource = self._names.of(lock, taker)
        taken = self._take(worker, lock, genuine, resource, limit, taker)
        if resource:
            worker.hold(resource)
        if taken:
            self._keep(worker, lock, resource)
        elif resource:  # it goes on otherwise than it would have with the lock
            worker.let_go(resource)
        return taken

    def _take(
        self, worker: Worker, lock: Any, genuine: _Acquire, resource: str, limit: float | None, taker: FrameType | None
    ) -> bool:
        if limit == 0:
            return genuine(lock, False)
        held = self._held.get(id(lock))
        again = held is not None and held.worker is worker  # of a reentrant one
        if resource and not again and never_comes(worker, resource, limit, "lock.acquire(timeout=...)"):
            return False
        return genuine(lock, False) or self._wait(worker, lock, genuine, resource, limit, taker)

    def _wait(
        self, worker: Worker, lock: Any, genuine: _Acquire, resource: str, limit: float | None, taker: FrameType | None
    ) -> bool:
        def attempt(seconds: float) -> bool:
            return genuine(lock, True, seconds) if seconds else genuine(lock, False)

        def is_kept() -> bool:
            held = self._held.get(id(lock))
            return held is not None and held.worker is not worker and not held.is_left

        is_ours = taker is not None and (resource or is_kept() or self._may_be_the_jobs_threads(taker))
        if not is_ours:  # a library may wait for a thread of its own
            return genuine(lock, True, NEVER if limit is None else limit)
        if not is_kept() and at_once(attempt):
            return True
        deadline = self._turns.deadline(limit)
        return self._turns.until(worker, attempt, resource or _NAMELESS, deadline, is_kept=is_kept)

    def _may_be_the_jobs_threads(self, taker: FrameType) -> bool:
        return self._turns.bystanders.are_jobs and is_project_file(taker.f_code.co_filename)

    def _release(self, lock: Any, genuine: Callable[[Any], None], giver: FrameType) -> None:
        genuine(lock)
        held = self._held.get(id(lock))
        if held is None or held.resource:
            self._asked(lock, giver)
        if held is None:
            return
        held.times -= 1
        if held.resource:
            held.worker.let_go(held.resource)
        if not held.times:
            del self._held[id(lock)]

    def _asked(self, lock: Any, asker: FrameType) -> None:
        worker = self._worker()
        resource = "" if worker is None else self._names.of(lock, taker_of(asker))
        if worker is not None and resource:  # what it does next may depend on the answer
            worker.hold(resource)
            worker.let_go(resource)

    def _keep(self, worker: Worker, lock: Any, resource: str) -> None:
        held = self._held.get(id(lock))
        if held is not None and held.worker is not worker:
            self._forget(lock)
            held = None
        if held is None:
            held = self._held[id(lock)] = _Held(lock, resource, worker)
        held.times += 1

    def _forget(self, lock: Any) -> None:
        """Who has held it does not any more: it was freed where nobody has seen it, by C code."""
        held = self._held.pop(id(lock), None)
        if held is not None and held.resource:
            for _ in range(held.times):
                held.worker.let_go(held.resource)

    def _free(self, applies: Callable[[_Held], bool]) -> None:
        for held in list(self._held.values()):
            if applies(held):
                self._forget(held.lock)
                with contextlib.suppress(RuntimeError):  # it is free
                    _free(held.lock)

    def _worker(self) -> Worker | None:
        return None if self._control is None else self._control.current()


def _free(lock: Any) -> None:
    """Free a lock, whoever holds it."""
    if hasattr(lock, "_release_save"):  # a reentrant one, which else only its own thread can release
        lock._release_save()  # noqa: SLF001
    else:
        lock.release()
