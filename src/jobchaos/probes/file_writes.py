"""FileWrites: what follows from what workers do to files: their times, the locks that they may be, what is unsynced."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from jobchaos.core.conditions import Clock
from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.ports import Worker
from jobchaos.probes.file_leases import LARGEST_LOCK, FileLeases
from jobchaos.probes.file_times import FileTimes
from jobchaos.probes.paths import path_of
from jobchaos.probes.temporary import TemporaryFiles
from jobchaos.probes.unsynced import Unsynced

T = TypeVar("T")
_CHANGING = frozenset({"open", "os.mkdir", "os.truncate", "os.utime"})
"""Audit events of what gives files a new time."""


class FileWrites:
    """Makes steps of what changes open files, and keeps account of all changes.

    Args:
        clock: Virtual time.
        temporary: Tells which files go with their attempt.
        torn: Whether a kill takes the machine along, so that what was not synced is lost in part.
    """

    def __init__(self, clock: Clock, temporary: TemporaryFiles, *, torn: bool) -> None:
        self.times = FileTimes(clock)
        self._leases = FileLeases(clock)
        self._temporary = temporary
        self._unsynced = Unsynced() if torn else None

    def write(self, worker: Worker, path: str, call: Callable[[], int], data: Any, *, appending: bool = False) -> int:
        """Let a worker write to a file, as a step; return how many bytes were written.

        Args:
            worker: Who.
            path: The file.
            call: Writes.
            data: What: a buffer or several; or anything else, if that is not known.
            appending: Whether it is put at the end, wherever that is by then.
        """
        if self._unsynced is not None:
            call = functools.partial(self._unsynced.writing, worker, path, call)
        mode = Mode.APPEND if appending else Mode.WRITE
        size = self._step(worker, path, f"write {path}", call, mode, outcome=lambda size: f"{size} bytes")
        self.times.changed(worker, path)
        if not appending:
            self._leases.written(worker, path, _bytes_of(data) if size <= LARGEST_LOCK else b"")
        return size

    def truncate(self, worker: Worker, path: str, call: Callable[[], int]) -> int:
        """Let a worker cut an open file, as a step; return its new size."""
        size = self._step(worker, path, f"truncate {path}", call, Mode.WRITE)
        self.times.changed(worker, path)
        return size

    def sync(self, worker: Worker, path: str, call: Callable[[], None]) -> None:
        """Let a worker sync a file. It is a step where data that is not synced may be lost."""
        if self._unsynced is None:
            return call()
        self._step(worker, path, f"fsync {path}", call, Mode.WRITE)
        return self._unsynced.synced(path)

    def acted(self, worker: Worker, event: str, args: tuple[Any, ...], paths: tuple[str, ...]) -> None:
        """A worker is about to do something to files by their names, and will succeed.

        Args:
            worker: Who.
            event: The audit event.
            args: What comes with it.
            paths: The files.
        """
        if event in _CHANGING:
            self.times.changing(worker, paths[0])
        if event == "os.rename":
            self._leases.linked(worker, *paths)
            if self._unsynced is not None:
                self._unsynced.moved(*paths)
        elif event == "os.link":
            self._leases.linked(worker, path_of(args[0], args[2]) or "", paths[0])
        elif event in ("os.mkdir", "os.symlink") or (event == "open" and args[2] & os.O_EXCL):
            self._leases.made(worker, paths[0])
        elif event == "os.utime":
            self._leases.renewed(worker)
        if event in ("os.rename", "os.remove"):
            self._leases.removed(worker, paths[0])

    def lose(self, worker: Worker) -> None:
        """A worker was killed."""
        if self._unsynced is not None:
            self._unsynced.lose(worker)

    def forget(self) -> None:
        """A run is over."""
        self.times.settle()
        self._leases.forget()
        if self._unsynced is not None:
            self._unsynced.forget()

    def _step(
        self,
        worker: Worker,
        path: str,
        label: str,
        call: Callable[[], T],
        mode: Mode,
        outcome: Callable[[T], str] = lambda _: "",
    ) -> T:
        worker.touch(f"file:{path}")
        effect = Effect("file", label, (Touch(self._temporary.resource(path), mode),))
        effect = effect._replace(durable=not effect.is_private)
        return worker.perform(effect, call, failure=failure, outcome=outcome)


def failure() -> Exception:
    """What a failing disk gives."""
    return OSError(errno.EIO, os.strerror(errno.EIO))


def _bytes_of(data: Any) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    return b"".join(map(_bytes_of, data)) if isinstance(data, Iterable) else b""
