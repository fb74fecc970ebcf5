"""Acts: what Python's audit events tell of files that are about to be created, renamed, removed."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Callable
from typing import Any

from jobchaos.probes.paths import is_regular, path_of

Act = tuple[str, tuple[str, ...], Callable[[], "OSError | None"]]
"""Label, paths, and what says why the call is going to fail."""


def _open_act(args: tuple[Any, ...]) -> Act | None:
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


def _rename_act(args: tuple[Any, ...]) -> Act | None:
    source, target = path_of(args[0], args[2]), path_of(args[1], args[3])
    if source is None or target is None:
        return None
    return f"rename {source} -> {target}", (source, target), lambda: _must_exist(source) or _needs_parent(target)


def _remove_act(args: tuple[Any, ...]) -> Act | None:
    path = path_of(args[0], args[1])
    return None if path is None else (f"remove {path}", (path,), lambda: _must_exist(path))


def _mkdir_act(args: tuple[Any, ...]) -> Act | None:
    path = path_of(args[0], args[2])
    return None if path is None else (f"mkdir {path}", (path,), lambda: _must_not_exist(path) or _needs_parent(path))


def _rmdir_act(args: tuple[Any, ...]) -> Act | None:
    path = path_of(args[0], args[1])
    return None if path is None else (f"rmdir {path}", (path,), lambda: _must_exist(path) or _must_be_empty(path))


def _symlink_act(args: tuple[Any, ...]) -> Act | None:
    path = path_of(args[1], args[-1])
    return None if path is None else (f"link {path}", (path,), lambda: _must_not_exist(path) or _needs_parent(path))


def _link_act(args: tuple[Any, ...]) -> Act | None:
    act, source = _symlink_act(args), path_of(args[0], args[2])
    if act is None or source is None:
        return act
    label, touched, problem = act
    return label, (*touched, source), problem  # from now on, whoever writes to one of them writes to both


def _truncate_act(args: tuple[Any, ...]) -> Act | None:
    path = path_of(args[0])
    return None if path is None else (f"truncate {path}", (path,), lambda: _must_exist(path))


def _utime_act(args: tuple[Any, ...]) -> Act | None:
    name, times, nanoseconds, directory = args
    # Who states times copies them from another file: they are no state.
    path = path_of(name, directory) if times is None and nanoseconds is None else None
    return None if path is None else (f"touch {path}", (path,), lambda: _must_exist(path))


def _chmod_act(args: tuple[Any, ...]) -> Act | None:
    path, mode = path_of(args[0], args[2]), args[1] & 0o7777
    if path is None or _has_mode(path, mode):  # as copies of files mostly have it already
        return None
    return f"chmod {mode:03o} {path}", (path,), lambda: _must_exist(path)


def _map_act(args: tuple[Any, ...]) -> Act | None:
    descriptor, _, access, _ = args
    writes = descriptor >= 0 and access not in (mmap.ACCESS_READ, mmap.ACCESS_COPY) and is_regular(descriptor)
    path = path_of(descriptor) if writes else None
    return None if path is None else (f"map {path}", (path,), _succeeds)  # what is written there, nobody can see


ACTS: dict[str, Callable[[tuple[Any, ...]], Act | None]] = {
    "open": _open_act,
    "os.chmod": _chmod_act,
    "os.rename": _rename_act,
    "os.remove": _remove_act,
    "os.mkdir": _mkdir_act,
    "os.rmdir": _rmdir_act,
    "os.link": _link_act,
    "os.symlink": _symlink_act,
    "os.truncate": _truncate_act,
    "os.utime": _utime_act,
    "mmap.__new__": _map_act,
}


def _succeeds() -> OSError | None:
    return None


def _has_mode(path: str, mode: int) -> bool:
    try:
        return stat.S_IMODE(os.stat(path).st_mode) == mode
    except OSError:
        return False


def _must_exist(path: str) -> OSError | None:
    return None if os.path.lexists(path) else FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def _must_not_exist(path: str) -> OSError | None:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) if os.path.lexists(path) else None


def _needs_parent(path: str) -> OSError | None:
    return _must_exist(os.path.dirname(path))


def _must_be_empty(path: str) -> OSError | None:
    # A listing is announced by an audit event, too, but nobody here listens to that one.
    return OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path) if os.listdir(path) else None
