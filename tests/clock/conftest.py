"""Runs calls in threads that see virtual time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from jobchaos.clock.freeze import Frozen
from jobchaos.clock.virtual import VirtualClock


@dataclass
class Machine:
    """Stands for a controlled worker."""

    copy: str


class Controlled:
    """`controlled(call, clock)` runs `call` in a controlled thread, directly as its target, and returns its result."""

    def __init__(self) -> None:
        self._local = threading.local()

    def current(self) -> Machine | None:
        return getattr(self._local, "machine", None)

    def frozen(self, clock: VirtualClock) -> Frozen:
        return Frozen(clock, self.current)

    def __call__(self, call: Callable[[], Any], clock: VirtualClock, copy: str = "A") -> Any:
        with self.frozen(clock):
            return self.within(call, copy)

    def within(self, call: Callable[[], Any], copy: str = "A") -> Any:
        """The same, where time is frozen already."""
        results: list[Any] = []

        def target() -> None:
            self._local.machine = Machine(copy)
            results.append(call())

        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
        return results[0]


@pytest.fixture
def controlled() -> Controlled:
    return Controlled()
