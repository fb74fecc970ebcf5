"""How a worker dies: the exceptions that end an attempt from outside."""

from __future__ import annotations

import ctypes
import sys
import threading
from types import FrameType

from jobchaos.core.project import is_project_file


class WorkerKilled(BaseException):
    """Raised in a worker's thread in place of SIGKILL. Jobs have no business with it."""


class CheckStopped(BaseException):
    """Raised in a worker's thread when the check itself cannot go on; the controller knows why."""


def raise_in(thread: threading.Thread) -> None:
    """Raise `WorkerKilled` in another thread, as soon as it executes Python code."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(WorkerKilled))


def strike_later(lines: int) -> None:
    """Make the calling thread raise `WorkerKilled` when it has begun that many more lines of the project's code.

    An `except BaseException` in a loop eats whatever is raised inside its `try`. A line of the handler, or of the loop's
    head, is not inside it.
    """
    left = lines

    def strike(frame: FrameType, event: str, _argument: object) -> object:
        nonlocal left
        if event == "line":
            left -= 1
            if left <= 0:
                raise WorkerKilled
        return strike

    sys.settrace(strike)  # Python takes it off again when it raises
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to walk frames
    while frame is not None:
        if is_project_file(frame.f_code.co_filename):
            frame.f_trace = strike
        frame = frame.f_back
