"""Unsynced: what is lost of files when not just a process dies, but the machine.

What a process has written is safe from its death, but it is in the system's memory until it is synced (`fsync`). Which
part of it is on the disk by then is chance. Here it is the first half of what has changed, the worst for a reader:
there is something, and not all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jobchaos.core.ports import Worker

T = TypeVar("T")


class Unsynced:
    """The files that workers have written to, each with what was in it before."""

    def __init__(self) -> None:
        self._before: dict[int, dict[str, bytes]] = {}

    def writing(self, worker: Worker, path: str, call: Callable[[], T]) -> T:
        """Let a worker write to a file."""
        before = self._before.setdefault(id(worker), {})
        if path not in before:
            before[path] = _content(path)
        return call()

    def synced(self, path: str) -> None:
        """A file is on the disk, whoever has written it."""
        for before in self._before.values():
            before.pop(path, None)

    def moved(self, source: str, target: str) -> None:
        """A file has another name, and is no safer for it."""
        for before in self._before.values():
            before.pop(target, None)
            if source in before:
                before[target] = before.pop(source)

    def lose(self, worker: Worker) -> None:
        """The machine of a worker has lost its power."""
        for path, before in self._before.pop(id(worker), {}).items():
            if os.path.isfile(path):
                Path(path).write_bytes(torn(before, _content(path)))

    def forget(self) -> None:
        """A run is over."""
        self._before.clear()


def torn(before: bytes, after: bytes) -> bytes:
    """A file of which the first half of what has changed is new."""
    both = zip(before, after, strict=False)
    same = next((position for position, (old, new) in enumerate(both) if old != new), min(len(before), len(after)))
    written = same + (len(after) - same) // 2
    return after[:written] + before[written:]


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return b""
