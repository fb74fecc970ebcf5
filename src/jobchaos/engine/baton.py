"""Baton: exactly one of two threads moves, the controller or its worker."""

from __future__ import annotations

import threading
from typing import Any

_LOCK: Any = type(threading.Lock())
_acquire, _release = _LOCK.acquire, _LOCK.release  # the genuine ones: while a check runs, they are replaced


class Baton:
    """A strict hand-over between the controller and one worker; a few microseconds each way."""

    def __init__(self) -> None:
        self._worker = threading.Lock()
        self._controller = threading.Lock()
        _acquire(self._worker)
        _acquire(self._controller)

    def lend(self) -> None:
        """Controller: let the worker move until it hands the baton back."""
        _release(self._worker)

    def wait(self, seconds: float) -> bool:
        """Controller: wait until the worker has handed the baton back.

        Returns:
            False if it has not done so within `seconds` of real time.
        """
        in_time: bool = _acquire(self._controller, True, seconds)
        return in_time

    def hand_back(self) -> None:
        """Worker: let the controller move."""
        _release(self._controller)

    def receive(self) -> None:
        """Worker: wait to be allowed to move."""
        _acquire(self._worker)
