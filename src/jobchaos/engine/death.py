"""How a worker dies: the exceptions that end an attempt from outside."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

from jobchaos.core.project import is_project_file


class WorkerKilled(BaseException):
    """Raised in a worker's thread in place of SIGKILL. Jobs have no business with it."""


class CheckStopped(BaseException):
    """Raised in a worker's thread when the check itself cannot go on; the controller knows why."""


def raise_in(thread: threading.Thread) -> None:
    """Raise `WorkerKilled` in another thread, as soon as it executes Python code."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(WorkerKilled))


def strike_later(lines: int, suspended: Iterable[FrameType] = ()) -> None:
    """Make the calling thread raise `WorkerKilled` when it has begun that many more lines of the project's code.

    An `except BaseException` in a loop eats whatever is raised inside its `try`. A line of the handler, or of the
    loop's head, is not inside it.

    Args:
        lines: How many.
        suspended: Frames of coroutines that the thread is going to resume.
    """
    left = lines

    def strike(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if not is_project_file(frame.f_code.co_filename):
            return None
        if event == "line":
            left -= 1
            if left <= 0:
                raise WorkerKilled
        return strike

    sys.settrace(strike)  # Python takes it off again when it raises
    for frame in (*suspended, *(frame for frame, _ in traceback.walk_stack(sys._getframe(1)))):  # noqa: SLF001 - the documented way to walk frames
        if is_project_file(frame.f_code.co_filename):
            frame.f_trace = strike


@contextlib.contextmanager
def unreported(in_worker: Callable[[], bool]) -> Iterator[None]:
    """While this lasts, nobody is told of what finalizers raise in workers: it is faults, and death, that strike there.

    Args:
        in_worker: Whether the calling thread is a worker's.
    """
    before = sys.unraisablehook

    def report(unraisable: sys.UnraisableHookArgs) -> None:
        if not in_worker() and not isinstance(unraisable.exc_value, WorkerKilled | CheckStopped):
            before(unraisable)

    sys.unraisablehook = report
    try:
        yield
    finally:
        sys.unraisablehook = before


def bury(error: BaseException) -> None:
    """Let go of everything that the dead had open. It could not close it, so nobody is to be warned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        death: BaseException | None = error
        while death is not None:
            for frame, _line in traceback.walk_tb(death.__traceback__):
                with contextlib.suppress(RuntimeError):  # it is still being executed: one of ours
                    frame.clear()
                    if sys.version_info < (3, 11):
                        _emptied = frame.f_locals  # it keeps a copy for trace functions, brought up to date by a look
            death = death.__context__
