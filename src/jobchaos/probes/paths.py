"""Paths: what a file name or descriptor in an audit event stands for, and whether it is any of our business."""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import Any

# Folders in /dev/shm are for tests that are to be fast; right in it lies the memory that processes share.
_NO_STATE = re.compile(r"/(proc|sys|dev(?!/shm/[^/]+/))/")


def path_of(name: Any, directory: int | None = None) -> str | None:
    """The absolute path of a directory entry.

    Links are followed up to the entry itself, which a rename or unlink acts on.

    Args:
        name: Path-like, text or bytes; or the descriptor of an open file.
        directory: Descriptor of the directory to which a relative name belongs; None or -1 is the current one.

    Returns:
        None if it cannot be told, or if it is a device, bytecode, or another thing that is nobody's state.
    """
    if isinstance(name, int):
        path = _path_of_descriptor(name)
    else:
        path = os.fsdecode(name)
        if not os.path.isabs(path) and directory is not None and directory >= 0:
            base = _path_of_descriptor(directory)
            path = None if base is None else os.path.join(base, path)
    if path is None:
        return None
    head, tail = os.path.split(os.path.abspath(path))
    path = os.path.join(os.path.realpath(head), tail)
    return None if _NO_STATE.match(path) or "__pycache__" in path else path


def is_regular(descriptor: int) -> bool:
    """True if an open descriptor is a file on a disk, and not a pipe or socket."""
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _path_of_descriptor(descriptor: int) -> str | None:
    try:
        if sys.platform == "darwin":
            import fcntl

            path = os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
        else:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None
    return path if os.path.exists(path) else None  # a file without a name is private to its process
