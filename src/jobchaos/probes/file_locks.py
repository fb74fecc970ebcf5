"""FileLockProbe: a copy that waits for `fcntl.flock` or `fcntl.lockf` waits in the schedule, not in earnest.

`flock` belongs to an open file, so that copies in one process exclude each other by themselves. `lockf` belongs to a
process: copies that stand for several would all get it, so who holds what is kept here.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.audit import subscribe, unsubscribe
from jobchaos.probes.base import BaseProbe
from jobchaos.probes.contended import never_comes
from jobchaos.probes.paths import path_of

try:
    import fcntl
except ImportError:  # Windows has none, and so no job that uses it
    fcntl = None  # type: ignore[assignment]

_TO_THE_END = 2**63
_REMEDY = "LOCK_NB, and try again until a deadline"


@dataclass(frozen=True, slots=True)
class Held:
    """A lock on a part of a file.

    Attributes:
        worker: Who took it.
        descriptor: Through which file descriptor; it is free when that is closed.
        file: Device and number of the file.
        start: First byte.
        end: First byte behind.
        exclusive: False if others may share it.
        name: Resource path of the lock, the same for all parts of the file.
    """

    worker: Worker
    descriptor: int
    file: tuple[int, int]
    start: int
    end: int
    exclusive: bool
    name: str

    def excludes(self, other: Held) -> bool:
        """True if both cannot be held at the same time."""
        if self.worker is other.worker or self.file != other.file or not (self.exclusive or other.exclusive):
            return False
        if self.worker.dead or self.descriptor == other.descriptor or _identity(self.descriptor) != self.file:
            return False  # it was closed meanwhile
        return self.start < other.end and other.start < self.end


class FileLockProbe(BaseProbe):
    """Listens to Python's audit events before each call, and waits there until the call will not block."""

    def __init__(self) -> None:
        self._control: Control | None = None
        self._flocked: list[Held] = []
        self._locked: list[Held] = []
        self._in_one_process = True
        self._trying = False

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        subscribe("fcntl.flock", self._flock)
        subscribe("fcntl.lockf", self._lockf)

    def remove(self) -> None:
        """See `Probe.remove`."""
        unsubscribe("fcntl.flock", self._flock)
        unsubscribe("fcntl.lockf", self._lockf)
        self.settle()
        self._control = None

    def after_fork(self) -> None:
        """See `Probe.after_fork`: each copy has a process of its own, and the system keeps them apart."""
        self._in_one_process = False

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`: the operating system closes a dead process's files, and so frees its locks."""
        for held in self._flocked:
            if held.worker is worker and worker.dead and _identity(held.descriptor) == held.file:
                with contextlib.suppress(OSError):
                    fcntl.flock(held.descriptor, fcntl.LOCK_UN)
        self._flocked = [held for held in self._flocked if held.worker is not worker]

    def settle(self) -> None:
        """See `Probe.settle`."""
        self._flocked.clear()
        self._locked.clear()

    def _flock(self, _event: str, args: tuple[Any, ...]) -> None:
        descriptor, operation = args
        worker = self._worker()
        if worker is None or self._trying:
            return
        held = _held(worker, descriptor, operation)
        worker.hold(held.name)
        if operation & fcntl.LOCK_UN:
            self._flocked = _without(self._flocked, held)
        elif self._take(held, operation, lambda: fcntl.flock(descriptor, operation | fcntl.LOCK_NB)):
            self._flocked.append(held)

    def _take(self, wanted: Held, operation: int, lock: Callable[[], None]) -> bool:
        """Wait in the schedule until the system gives a lock; the genuine call, which follows, finds it taken already.

        Returns:
            False if the call does not want to wait, and will find out by itself that it does not get it.
        """
        worker = wanted.worker
        _ask(wanted, operation)
        while not self._try(lock):
            if operation & fcntl.LOCK_NB:
                worker.let_go(wanted.name)
                return False
            worker.wait(wanted.name, None)
        worker.unblock()
        return True

    def _try(self, lock: Callable[[], None]) -> bool:
        self._trying = True  # this is announced, too
        try:
            lock()
        except BlockingIOError:
            return False
        finally:
            self._trying = False
        return True

    def _lockf(self, _event: str, args: tuple[Any, ...]) -> None:
        descriptor, operation, length, start, whence = args
        length, start = length or 0, start or 0  # None if not given
        worker = self._worker()
        if worker is None or self._trying:
            return
        offset = 0 if whence == os.SEEK_SET else os.lseek(descriptor, 0, whence)
        wanted = _held(worker, descriptor, operation, start + offset, length)
        worker.hold(wanted.name)
        if operation & fcntl.LOCK_UN:
            self._locked = _without(self._locked, wanted)
        elif not self._in_one_process:
            lock = operation | fcntl.LOCK_NB
            self._take(wanted, operation, lambda: fcntl.lockf(descriptor, lock, length, start, whence))
        else:
            self._wait(wanted, operation)
            self._locked.append(wanted)

    def _wait(self, wanted: Held, operation: int) -> None:
        """Copies in one process do not exclude each other in the system's eyes: it is done for them."""
        worker = wanted.worker
        _ask(wanted, operation)
        while any(held.excludes(wanted) for held in self._locked):
            if operation & fcntl.LOCK_NB:
                worker.let_go(wanted.name)
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            worker.wait(wanted.name, None)
        worker.unblock()

    def _worker(self) -> Worker | None:
        worker = None if self._control is None else self._control.current()
        return None if worker is None or worker.dead else worker


def _ask(wanted: Held, operation: int) -> None:
    if not operation & fcntl.LOCK_NB:
        never_comes(wanted.worker, wanted.name, None, _REMEDY)


def _held(worker: Worker, descriptor: int, operation: int, start: int = 0, length: int = 0) -> Held:
    end = start + length if length else _TO_THE_END
    file = _identity(descriptor) or (0, 0)
    name = f"lock:{path_of(descriptor) or f'file descriptor {descriptor}'}"
    return Held(worker, descriptor, file, start, end, bool(operation & fcntl.LOCK_EX), name)


def _without(locks: list[Held], freed: Held) -> list[Held]:
    """The locks that are left when a worker frees a file; its next effect still depends on them."""
    freed.worker.let_go(freed.name)
    for held in locks:
        if held.worker is freed.worker and held.file == freed.file:
            held.worker.let_go(held.name)
    return [held for held in locks if held.worker is not freed.worker or held.file != freed.file]


def _identity(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
