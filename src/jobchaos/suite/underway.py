"""Underway: the executions that go on, and whether they go on beside each other."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from jobchaos.suite.seen import Seen


class Underway:
    """Counts executions by thread.

    A worker in the test process tells the test of a result as soon as the first delivery has one. The next delivery
    must still be waited for.
    """

    def __init__(self) -> None:
        self._threads: Counter[int] = Counter()
        self._changed = threading.Condition()
        self._going_on: list[Seen] = []

    @contextlib.contextmanager
    def execution(self, seen: Seen, within: Sequence[Seen]) -> Iterator[None]:
        """One goes on. It and all others that go on meanwhile are not alone, but for those that it is a part of.

        Args:
            seen: The execution.
            within: Those that it is a part of.
        """
        thread = threading.get_ident()
        with self._changed:
            for other in self._going_on:
                if all(other is not outer for outer in within):
                    other.alone = seen.alone = False
            self._going_on.append(seen)
        self._add(thread, 1)
        try:
            yield
        finally:
            with self._changed:
                self._going_on = [other for other in self._going_on if other is not seen]
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
