"""LockProbe: a copy that waits for a lock of `threading` waits in the schedule, not in earnest.

The copy that holds the lock is parked, so that nobody would ever release it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, MutableMapping
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe
from jobchaos.probes.contended import never_comes
from jobchaos.probes.loaded import loaded
from jobchaos.probes.logs import handlers

_KINDS = (type(threading.Lock()), type(threading.RLock()))
_SECOND = 10**9


class LockProbe(BaseProbe):
    """While a worker moves, locks that the project knows by name are replaced by ones that report to the schedule.

    They are looked for in the globals of the project's modules, in handlers of logs, and in the places given. Locks
    that the job itself makes are not: copies do not share them.

    Args:
        places: Closures and objects' attributes, by name.
    """

    def __init__(self, places: Iterable[MutableMapping[str, Any]]) -> None:
        self._given = tuple(places)
        self._places: list[tuple[MutableMapping[str, Any], str, ProbedLock]] = []
        self._locks: dict[int, ProbedLock] = {}

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        for place in (*project_globals(_KINDS), *self._given, *handlers()):
            for name, value in list(place.items()):
                if type(value) in _KINDS:
                    lock = self._locks.setdefault(id(value), ProbedLock(value, name, control))
                    self._places.append((place, name, lock))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._put(genuine=True)
        self._places.clear()
        self._locks.clear()

    def resume(self, worker: Worker) -> None:
        """See `Probe.resume`."""
        self._put(genuine=False)

    def pause(self, worker: Worker) -> None:
        """See `Probe.pause`: whoever looks at the state between two moves sees the genuine locks."""
        self._put(genuine=True)

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`: the memory of a dead process is gone, and its locks with it."""
        if worker.dead:
            for lock in self._locks.values():
                lock.abandon(worker)

    def settle(self) -> None:
        """See `Probe.settle`: the next run begins with locks that nobody holds."""
        for lock in self._locks.values():
            lock.reset()

    def _put(self, *, genuine: bool) -> None:
        for place, name, lock in self._places:
            present, wanted = (lock, lock.genuine) if genuine else (lock.genuine, lock)
            if place.get(name) is present:
                place[name] = wanted


class ProbedLock:
    """Stands for a lock, and can do what it can.

    Args:
        genuine: The lock.
        name: What the project calls it.
        control: The running check.
    """

    def __init__(self, genuine: Any, name: str, control: Control) -> None:
        self.genuine = genuine
        self._resource = f"lock:{name}"
        self._control = control
        self._holders: list[Worker] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """See `threading.Lock.acquire`; the timeout is in virtual time."""
        worker = self._control.current()
        if worker is None or not blocking:
            taken = bool(self.genuine.acquire(blocking, timeout))
        else:
            limit = None if timeout < 0 else timeout
            again = worker in self._holders  # of a reentrant one
            in_vain = not again and never_comes(worker, self._resource, limit, "lock.acquire(timeout=...)")
            taken = not in_vain and self._wait(worker, limit)
        if worker is not None:
            worker.hold(self._resource)
            if taken:
                self._holders.append(worker)
            else:  # it goes on otherwise than it would have with the lock
                worker.let_go(self._resource)
        return taken

    def release(self) -> None:
        """See `threading.Lock.release`."""
        self.genuine.release()
        self._asked()
        if self._holders:
            self._holders.pop().let_go(self._resource)

    def abandon(self, worker: Worker) -> None:
        """Release it as often as `worker` holds it. Called in the worker's thread."""
        while worker in self._holders:
            self._holders.remove(worker)
            self.genuine.release()

    def reset(self) -> None:
        """Release it, whoever holds it. A reentrant lock whose thread has ended stays locked for ever."""
        while self._holders:
            self._holders.pop()
            with contextlib.suppress(RuntimeError):
                self.genuine.release()

    def __enter__(self) -> bool:
        """Acquire it."""
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        """Release it."""
        self.release()

    def __repr__(self) -> str:
        """That of the lock: a job may show it."""
        return repr(self.genuine)

    def __getattr__(self, name: str) -> Any:
        """`locked`, and what conditions ask of a lock."""
        self._asked()
        return getattr(self.genuine, name)

    def _asked(self) -> None:
        worker = self._control.current()
        if worker is not None:  # what it does next may depend on the answer
            worker.hold(self._resource)
            worker.let_go(self._resource)

    def _wait(self, worker: Worker, timeout: float | None) -> bool:
        deadline = None if timeout is None else self._control.clock.now() + round(timeout * _SECOND)
        while not self.genuine.acquire(blocking=False):
            if not worker.wait(self._resource, deadline):
                worker.unblock()
                return False
        worker.unblock()
        return True


def project_globals(kinds: tuple[type, ...]) -> list[dict[str, Any]]:
    """The namespaces of the project's modules that hold an object of exactly one of these kinds."""
    wanted = frozenset(kinds)
    return [namespace for namespace in loaded().project if not wanted.isdisjoint(map(type, namespace.values()))]
