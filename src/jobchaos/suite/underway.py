"""Underway: the executions that go on in other threads while a test function comes to its end."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator


class Underway:
    """Counts executions by thread.

    A worker in the test process tells the test of a result as soon as the first delivery has one. The next delivery
    must still be waited for.
    """

    def __init__(self) -> None:
        self._threads: Counter[int] = Counter()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def execution(self) -> Iterator[None]:
        """One goes on."""
        thread = threading.get_ident()
        self._add(thread, 1)
        try:
            yield
        finally:
            self._add(thread, -1)

    def wait(self, seconds: float) -> None:
        """Wait until no other thread executes anything, but not for longer than so many real seconds."""
        with self._changed:
            self._changed.wait_for(self._is_quiet, seconds)

    def _add(self, thread: int, number: int) -> None:
        with self._changed:
            self._threads[thread] += number
            self._changed.notify_all()

    def _is_quiet(self) -> bool:
        here = threading.get_ident()
        return not any(number for thread, number in self._threads.items() if thread != here)
