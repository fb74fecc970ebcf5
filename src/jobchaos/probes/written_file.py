"""WrittenFile: a file opened for writing by a controlled worker, whose every write to the system is a step."""

from __future__ import annotations

import functools
import io
from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.file_writes import FileWrites

_UNBUFFERED = 0
_LINES = 1


class WrittenFile(io.FileIO):
    """The lowest of the layers that make up a Python file; buffers above it decide when bytes are written.

    A buffer may be flushed long after its worker was killed, by whoever collects the garbage. A dead process's buffers
    are lost, so then nothing is written.
    """

    worker: Worker | None = None
    path = ""
    writes: FileWrites | None = None

    def write(self, data: Any, /) -> int:
        """A step."""
        worker, writes = self.worker, self.writes
        if worker is None or writes is None:
            return super().write(data)
        if worker.dead:
            return memoryview(data).nbytes
        call = functools.partial(super().write, data)
        return writes.write(worker, self.path, call, data, appending="a" in self.mode)

    def truncate(self, size: int | None = None, /) -> int:
        """A step."""
        worker, writes = self.worker, self.writes
        if worker is None or writes is None:
            return super().truncate(size)
        if worker.dead:
            return self.tell() if size is None else size
        return writes.truncate(worker, self.path, functools.partial(super().truncate, size))


def layered(raw: WrittenFile, mode: str, buffering: int, text: dict[str, Any]) -> Any:
    """Put Python's own layers on a raw file, as `open` does.

    Args:
        raw: The raw file.
        mode: As given to `open`.
        buffering: As given to `open`.
        text: `encoding`, `errors` and `newline`, as given to `open`.
    """
    if buffering == _UNBUFFERED:
        return raw
    size = buffering if buffering > _LINES else io.DEFAULT_BUFFER_SIZE
    buffer = io.BufferedRandom(raw, size) if "+" in mode else io.BufferedWriter(raw, size)
    if "b" in mode:
        return buffer
    wrapper = io.TextIOWrapper(buffer, line_buffering=buffering == _LINES, **text)
    wrapper.mode = mode  # type: ignore[misc]  # as open() does
    return wrapper


def is_valid(mode: str, buffering: int, text: dict[str, Any]) -> bool:
    """False if `open` would refuse these arguments, with an error text of its own."""
    if "b" in mode:
        return all(value is None for value in text.values())
    return buffering != _UNBUFFERED
