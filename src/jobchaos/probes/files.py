"""FileProbe: files created, written, renamed and removed, directories made and removed.

Audit events announce every such call, whatever name it was bound to, before it happens. They do not tell of writes to
open files: these are seen by a raw file of our own under `open`, and by wrapping `os.write` and its kin.
"""

from __future__ import annotations

import builtins
import errno
import io
import mmap
import os
import pathlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.audit import subscribe, unsubscribe
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.paths import is_regular, path_of
from jobchaos.probes.unsynced import Unsynced
from jobchaos.probes.written_file import WrittenFile, failure, is_valid, layered, write_step

_open = io.open
_SYNCS = ("fsync", "fdatasync")
_DESCRIPTOR_WRITES = {"write": 0, "pwrite": 0, "writev": 0, "pwritev": 0, "sendfile": 0, "copy_file_range": 1}
"""Functions of `os` that write, and which of their arguments is the descriptor written to."""


class FileProbe(BaseProbe):
    """Makes steps of what controlled workers do to files.

    Args:
        bindings: Finds other names of `open` and `os.write`.
        torn_writes: Whether a kill takes the machine along, so that what was not synced is lost in part.
    """

    def __init__(self, bindings: Bindings, *, torn_writes: bool = False) -> None:
        self._bindings = bindings
        self._unsynced = Unsynced() if torn_writes else None
        self._patches = Patches()
        self._control: Control | None = None
        self._local = threading.local()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._patches.set(builtins, "open", self._opened)
        self._patches.set(io, "open", builtins.open)
        self._bindings.replace(_open, builtins.open)
        if sys.version_info < (3, 11):
            self._patches.set(pathlib._NormalAccessor, "open", staticmethod(builtins.open))  # noqa: SLF001
        for name, position in _DESCRIPTOR_WRITES.items():
            if hasattr(os, name):
                genuine = getattr(os, name)
                self._patches.set(os, name, self._descriptor_write(genuine, position))
                self._bindings.replace(genuine, getattr(os, name))
        for name in _SYNCS if self._unsynced is not None else ():
            if hasattr(os, name):
                genuine = getattr(os, name)
                self._patches.set(os, name, self._sync(genuine))
                self._bindings.replace(genuine, getattr(os, name))
        for event in _ACTS:
            subscribe(event, self._audit)

    def remove(self) -> None:
        """See `Probe.remove`."""
        for event in _ACTS:
            unsubscribe(event, self._audit)
        self._patches.undo()
        self._control = None

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`."""
        if self._unsynced is not None:
            self._unsynced.lose(worker)

    def settle(self) -> None:
        """See `Probe.settle`."""
        if self._unsynced is not None:
            self._unsynced.forget()

    def _worker(self) -> Worker | None:
        return None if self._control is None else self._control.current()

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        worker = self._worker()
        if worker is None or getattr(self._local, "opening", False):
            return
        act = _ACTS[event](args)
        if act is None:
            return
        label, touched, problem = act
        for path in touched:
            worker.touch(f"file:{path}")
        mode = Mode.READ if problem() else Mode.WRITE
        touches = tuple(Touch(f"file:{path}", mode) for path in touched)
        pending = worker.begin(Effect("file", label, touches, durable=mode is Mode.WRITE), failure)
        error = problem()  # again: another worker may have moved meanwhile
        if error is None:
            pending.done()
            if event == "os.rename" and self._unsynced is not None:
                self._unsynced.moved(*touched)
        else:
            pending.failed(error)

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
        path = path_of(raw.fileno())
        if path is not None:
            raw.worker, raw.path, raw.unsynced = worker, path, self._unsynced
        return layered(raw, mode, buffering, text)

    def _announcing(self, opener: Any) -> Any:
        if opener is None:
            return None

        def announcing(name: Any, flags: int) -> int:
            self._local.opening = False
            descriptor: int = opener(name, flags)
            return descriptor

        return announcing

    def _descriptor_write(self, genuine: Callable[..., int], position: int) -> Callable[..., int]:
        def write(*args: Any, **kwargs: Any) -> int:
            worker = self._worker()
            path = path_of(args[position]) if worker is not None and is_regular(args[position]) else None
            if worker is None or path is None:
                return genuine(*args, **kwargs)
            return write_step(worker, path, lambda: genuine(*args, **kwargs), False, self._unsynced)

        return write

    def _sync(self, genuine: Callable[[Any], None]) -> Callable[[Any], None]:
        """Where data that is not synced may be lost, to sync it is a step."""

        def sync(fd: Any) -> None:
            worker, descriptor = self._worker(), fd if isinstance(fd, int) else fd.fileno()
            path = path_of(descriptor) if worker is not None and is_regular(descriptor) else None
            if worker is None or path is None or self._unsynced is None:
                genuine(fd)
                return
            worker.touch(f"file:{path}")
            effect = Effect("file", f"fsync {path}", (Touch(f"file:{path}", Mode.WRITE),), durable=True)
            worker.perform(effect, lambda: genuine(fd), failure=failure)
            self._unsynced.synced(path)

        return sync


_Act = tuple[str, tuple[str, ...], Callable[[], "OSError | None"]]
"""Label, paths, and what says why the call is going to fail."""


def _open_act(args: tuple[Any, ...]) -> _Act | None:
    name, _, flags = args
    creating, truncating = flags & os.O_CREAT, flags & os.O_TRUNC
    path = None if isinstance(name, int) or not (creating or truncating) else path_of(name)
    if path is None or os.path.isdir(path):  # a directory: O_TMPFILE, which nobody else can see
        return None
    path = os.path.realpath(path)
    if not os.path.lexists(path):
        return (f"create {path}", (path,), lambda: _needs_parent(path)) if creating else None
    if flags & os.O_EXCL:
        return f"create {path}", (path,), lambda: _must_not_exist(path)
    return (f"truncate {path}", (path,), _succeeds) if truncating else None


def _rename_act(args: tuple[Any, ...]) -> _Act | None:
    source, target = path_of(args[0], args[2]), path_of(args[1], args[3])
    if source is None or target is None:
        return None
    return f"rename {source} -> {target}", (source, target), lambda: _must_exist(source) or _needs_parent(target)


def _remove_act(args: tuple[Any, ...]) -> _Act | None:
    path = path_of(args[0], args[1])
    return None if path is None else (f"remove {path}", (path,), lambda: _must_exist(path))


def _mkdir_act(args: tuple[Any, ...]) -> _Act | None:
    path = path_of(args[0], args[2])
    return None if path is None else (f"mkdir {path}", (path,), lambda: _must_not_exist(path) or _needs_parent(path))


def _rmdir_act(args: tuple[Any, ...]) -> _Act | None:
    path = path_of(args[0], args[1])
    return None if path is None else (f"rmdir {path}", (path,), lambda: _must_exist(path) or _must_be_empty(path))


def _link_act(args: tuple[Any, ...]) -> _Act | None:
    path = path_of(args[1], args[-1])
    return None if path is None else (f"link {path}", (path,), lambda: _must_not_exist(path) or _needs_parent(path))


def _truncate_act(args: tuple[Any, ...]) -> _Act | None:
    path = path_of(args[0])
    return None if path is None else (f"truncate {path}", (path,), lambda: _must_exist(path))


def _map_act(args: tuple[Any, ...]) -> _Act | None:
    descriptor, _, access, _ = args
    writes = descriptor >= 0 and access not in (mmap.ACCESS_READ, mmap.ACCESS_COPY) and is_regular(descriptor)
    path = path_of(descriptor) if writes else None
    return None if path is None else (f"map {path}", (path,), _succeeds)  # what is written there, nobody can see


_ACTS: dict[str, Callable[[tuple[Any, ...]], _Act | None]] = {
    "open": _open_act,
    "os.rename": _rename_act,
    "os.remove": _remove_act,
    "os.mkdir": _mkdir_act,
    "os.rmdir": _rmdir_act,
    "os.link": _link_act,
    "os.symlink": _link_act,
    "os.truncate": _truncate_act,
    "mmap.__new__": _map_act,
}


def _succeeds() -> OSError | None:
    return None


def _must_exist(path: str) -> OSError | None:
    return None if os.path.lexists(path) else FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def _must_not_exist(path: str) -> OSError | None:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) if os.path.lexists(path) else None


def _needs_parent(path: str) -> OSError | None:
    return _must_exist(os.path.dirname(path))


def _must_be_empty(path: str) -> OSError | None:
    # A listing is announced by an audit event, too, but nobody here listens to that one.
    return OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path) if os.listdir(path) else None
