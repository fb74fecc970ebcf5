"""Interrupts: Ctrl-C takes effect between two moves of workers, or while the controller waits for one.

Python raises `KeyboardInterrupt` between any two instructions of the main thread: also while a thread is being started,
so that nobody knows any more who has the baton; and in callbacks of weak references, of which thousands of threads have
many, where it is dropped.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

T = TypeVar("T")
_SLICE = 0.25  # seconds; nobody notices that an interrupt comes so much later
_pending: list[bool] = []


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Within, an interrupt waits for `interrupt`; a second one does not. At the end one that came late is raised.

    Whoever has a handler of their own keeps it.

    Raises:
        KeyboardInterrupt: See above.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _received)
    try:
        yield
        interrupt()
    finally:
        _pending.clear()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt() -> None:
    """Here it may take effect.

    Raises:
        KeyboardInterrupt: If one is pending.
    """
    if _pending:
        _pending.clear()
        raise KeyboardInterrupt


def patiently(wait: Callable[[float], T], seconds: float) -> T:
    """Wait in small parts, between which an interrupt may take effect.

    Args:
        wait: Waits for so many seconds; what it returns is false if they have passed in vain.
        seconds: How long to wait in all.

    Raises:
        KeyboardInterrupt: If one is pending.
    """
    while True:
        found = wait(min(seconds, _SLICE))
        seconds -= _SLICE
        if found or seconds <= 0:
            return found
        interrupt()


def _received(_number: int, _frame: FrameType | None) -> None:
    if _pending:
        raise KeyboardInterrupt
    _pending.append(True)
