"""FileProbe: files created, written, renamed and removed, directories made and removed.

Audit events announce every such call, whatever name it was bound to, before it happens. They do not tell of writes to
open files: these are seen by a raw file of our own under `open`, and by wrapping `os.write` and its kin.
"""

from __future__ import annotations

import builtins
import functools
import io
import os
import pathlib
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from jobchaos.core.effect import PRIVATE, Effect, Mode, Touch
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.audit import subscribe, unsubscribe
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.file_acts import ACTS
from jobchaos.probes.file_writes import FileWrites, failure
from jobchaos.probes.paths import is_regular, path_of
from jobchaos.probes.temporary import EVENTS, TemporaryFiles
from jobchaos.probes.written_file import WrittenFile, is_valid, layered

_open = io.open
_SYNCS = ("fsync", "fdatasync")
_DESCRIPTOR_WRITES = {"write": 0, "pwrite": 0, "writev": 0, "pwritev": 0, "sendfile": 0, "copy_file_range": 1}
"""Functions of `os` that write, and which of their arguments is the descriptor written to."""
_TIMED = ("open", "mkdir", "truncate", "utime")
"""Functions of `os` that give a file a new time."""


class FileProbe(BaseProbe):
    """Makes steps of what controlled workers do to files.

    Args:
        bindings: Finds other names of `open` and `os.write`.
        torn_writes: Whether a kill takes the machine along, so that what was not synced is lost in part.
        is_garbage: Whether what attempts leave of their temporary files is nobody's.
    """

    def __init__(
        self, bindings: Bindings, *, torn_writes: bool = False, is_garbage: Callable[[], bool] = lambda: False
    ) -> None:
        self._bindings = bindings
        self._torn_writes = torn_writes
        self._temporary = TemporaryFiles(is_garbage)
        self._writes: FileWrites | None = None
        self._patches = Patches()
        self._control: Control | None = None
        self._local = threading.local()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        tempfile.gettempdir()  # its first call in a process tries to write there, with a lock that stores need, too
        self._writes = FileWrites(control.clock, self._temporary, torn=self._torn_writes)
        self._patches.set(builtins, "open", self._opened)
        self._patches.set(io, "open", builtins.open)
        self._bindings.replace(_open, builtins.open)
        if sys.version_info < (3, 11):
            self._patches.set(pathlib._NormalAccessor, "open", staticmethod(builtins.open))  # noqa: SLF001
        for name, position in _DESCRIPTOR_WRITES.items():
            if hasattr(os, name):
                self._replace(name, functools.partial(self._descriptor_write, position))
        for name in _SYNCS if self._torn_writes else ():
            if hasattr(os, name):
                self._replace(name, self._sync)
        for name in _TIMED:
            self._replace(name, self._timed)
        if sys.version_info < (3, 11):
            self._patches.set(pathlib._NormalAccessor, "mkdir", staticmethod(os.mkdir))  # noqa: SLF001
        for event in ACTS:
            subscribe(event, self._audit)
        for event in EVENTS:
            subscribe(event, self._making_temporary)

    def remove(self) -> None:
        """See `Probe.remove`."""
        for event in ACTS:
            unsubscribe(event, self._audit)
        for event in EVENTS:
            unsubscribe(event, self._making_temporary)
        self._patches.undo()
        self._control = None

    def pause(self, worker: Worker) -> None:
        """See `Probe.pause`."""
        self._settle_times()

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        self._settle_times()

    def hand_over(self) -> None:
        """See `Probe.hand_over`."""
        self._settle_times()

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`."""
        if self._writes is not None:
            self._writes.lose(worker)

    def settle(self) -> None:
        """See `Probe.settle`."""
        if self._writes is not None:
            self._writes.forget()

    def _settle_times(self) -> None:
        if self._writes is not None:
            self._writes.times.settle()

    def _replace(self, name: str, replacing: Callable[[Any], Any]) -> None:
        """Replace a function of `os`, under all its names."""
        genuine = getattr(os, name)
        self._patches.set(os, name, replacing(genuine))
        self._bindings.replace(genuine, getattr(os, name))

    def _worker(self) -> Worker | None:
        return None if self._control is None else self._control.current()

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        worker, writes = self._worker(), self._writes
        if worker is None or writes is None or getattr(self._local, "opening", False):
            return
        act = ACTS[event](args)
        if act is None or act[1] == (self._temporary.taken,):  # then Python tries another name
            return
        label, touched, problem = act
        for path in touched:
            worker.touch(f"file:{path}")
        mode = Mode.READ if problem() else Mode.WRITE
        touches = tuple(Touch(self._temporary.resource(path), mode) for path in touched)
        effect = Effect("file", label, touches)
        durable = mode is Mode.WRITE and not effect.is_private
        pending = worker.begin(effect._replace(durable=durable), failure)
        error = problem()  # again: another worker may have moved meanwhile
        if error is None:
            pending.done()
            writes.acted(worker, event, args, touched)
        else:
            pending.failed(error)

    def _making_temporary(self, _event: str, args: tuple[Any, ...]) -> None:
        worker, path = self._worker(), path_of(args[0])
        if worker is not None and path is not None and self._temporary.making(path):
            worker.touch(f"{PRIVATE}{path}")

    def _opened(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        worker = self._worker()
        text = {"encoding": encoding, "errors": errors, "newline": newline}
        writing = worker is not None and not set("wxa+").isdisjoint(mode) and is_valid(mode, buffering, text)
        path = path_of(file) if writing else None
        if worker is None or path is None:
            return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        self._local.opening = opener is not None  # then os.open announces it, and FileIO must not do so as well
        try:
            name = file if isinstance(file, int) else os.fspath(file)
            raw = WrittenFile(name, mode.replace("b", "").replace("t", ""), closefd, self._announcing(opener))
        finally:
            self._local.opening = False
        self._settle_times()
        path = path_of(raw.fileno())
        if path is not None:
            raw.worker, raw.path, raw.writes = worker, path, self._writes
        return layered(raw, mode, buffering, text)

    def _announcing(self, opener: Any) -> Any:
        if opener is None:
            return None

        def announcing(name: Any, flags: int) -> int:
            self._local.opening = False
            descriptor: int = opener(name, flags)
            return descriptor

        return announcing

    def _descriptor_write(self, position: int, genuine: Callable[..., int]) -> Callable[..., int]:
        def write(*args: Any, **kwargs: Any) -> int:
            worker, writes = self._worker(), self._writes
            path = path_of(args[position]) if worker is not None and is_regular(args[position]) else None
            if worker is None or writes is None or path is None or _is_at_end(genuine, args):
                return genuine(*args, **kwargs)
            return writes.write(worker, path, lambda: genuine(*args, **kwargs), args[1])

        return write

    def _sync(self, genuine: Callable[[Any], None]) -> Callable[[Any], None]:
        def sync(fd: Any) -> None:
            worker, descriptor = self._worker(), fd if isinstance(fd, int) else fd.fileno()
            path = path_of(descriptor) if worker is not None and is_regular(descriptor) else None
            if worker is None or path is None or self._writes is None:
                genuine(fd)
                return
            self._writes.sync(worker, path, lambda: genuine(fd))

        return sync

    def _timed(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(genuine)
        def call(*args: Any, **kwargs: Any) -> Any:
            result = genuine(*args, **kwargs)
            self._settle_times()
            return result

        return call


def _is_at_end(genuine: Callable[..., int], args: tuple[Any, ...]) -> bool:
    """True for `os.sendfile` that can only tell that its source has no more, as it does at the end of every copy."""
    if genuine.__name__ != "sendfile" or len(args) < 3 or not isinstance(args[2], int):
        return False
    return is_regular(args[1]) and args[2] >= os.fstat(args[1]).st_size
