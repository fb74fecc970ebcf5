"""WrittenFile: a file opened for writing by a controlled worker, whose every write to the system is a step."""

from __future__ import annotations

import errno
import functools
import io
from collections.abc import Callable
from typing import Any

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.ports import Worker
from jobchaos.probes.unsynced import Unsynced

_UNBUFFERED = 0
_LINES = 1


class WrittenFile(io.FileIO):
    """The lowest of the layers that make up a Python file; buffers above it decide when bytes are written.

    A buffer may be flushed long after its worker was killed, by whoever collects the garbage. A dead process's buffers
    are lost, so then nothing is written.
    """

    worker: Worker | None = None
    path = ""
    unsynced: Unsynced | None = None

    def write(self, data: Any, /) -> int:
        """A step."""
        worker = self.worker
        if worker is None:
            return super().write(data)
        if worker.dead:
            return memoryview(data).nbytes
        call = functools.partial(super().write, data)
        return write_step(worker, self.path, call, "a" in self.mode, self.unsynced)

    def truncate(self, size: int | None = None, /) -> int:
        """A step."""
        worker = self.worker
        if worker is None:
            return super().truncate(size)
        if worker.dead:
            return self.tell() if size is None else size
        worker.touch(f"file:{self.path}")
        effect = Effect("file", f"truncate {self.path}", (Touch(f"file:{self.path}", Mode.WRITE),), durable=True)
        return worker.perform(effect, lambda: super(WrittenFile, self).truncate(size), failure=failure)


def write_step(
    worker: Worker, path: str, call: Callable[[], int], appending: bool, unsynced: Unsynced | None = None
) -> int:
    """Let a worker write to a file, as a step; return how many bytes were written."""
    if unsynced is not None:
        call = functools.partial(unsynced.writing, worker, path, call)
    worker.touch(f"file:{path}")
    mode = Mode.APPEND if appending else Mode.WRITE
    effect = Effect("file", f"write {path}", (Touch(f"file:{path}", mode),), durable=True)
    return worker.perform(effect, call, failure=failure, outcome=lambda size: f"{size} bytes")


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


def failure() -> Exception:
    """What a failing disk gives."""
    return OSError(errno.EIO, "Input/output error")
