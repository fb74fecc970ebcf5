"""Baton: exactly one of two threads moves, the controller or its worker."""

from __future__ import annotations

import threading


class Baton:
    """A strict hand-over between the controller and one worker; a few microseconds each way."""

    def __init__(self) -> None:
        self._worker = threading.Lock()
        self._controller = threading.Lock()
        self._worker.acquire()
        self._controller.acquire()

    def lend(self) -> None:
        """Controller: let the worker move until it hands the baton back."""
        self._worker.release()

    def wait(self, seconds: float) -> bool:
        """Controller: wait until the worker has handed the baton back.

        Returns:
            False if it has not done so within `seconds` of real time.
        """
        return self._controller.acquire(timeout=seconds)

    def hand_back(self) -> None:
        """Worker: let the controller move."""
        self._controller.release()

    def receive(self) -> None:
        """Worker: wait to be allowed to move."""
        self._worker.acquire()
