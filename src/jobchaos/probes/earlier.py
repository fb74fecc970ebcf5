"""EarlierConnections: those that were opened before the check, as a fixture or a global holds them.

In production each worker is a process, and finds another connection in such a place, which nobody has used before.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any


class EarlierConnections:
    """Those of them that workers have used."""

    def __init__(self) -> None:
        self._opened: weakref.WeakSet[Any] = weakref.WeakSet()
        self._used: weakref.WeakSet[Any] = weakref.WeakSet()
        self._is_forked = False

    def opened(self, connection: Any) -> None:
        """A connection was opened while the check runs: it is none of these."""
        self._opened.add(connection)

    def used(self, connection: Any) -> None:
        """A worker uses a connection."""
        if connection not in self._opened:
            self._used.add(connection)

    def after_fork(self) -> None:
        """This process was forked: none of the connections is its own."""
        self._is_forked = True

    def is_anothers(self, connection: Any) -> bool:
        """True if a connection from before the check belongs to the process that this one was forked from."""
        return self._is_forked and connection not in self._opened

    def __contains__(self, connection: Any) -> bool:
        """Whether it is one."""
        return connection in self._used

    def __iter__(self) -> Iterator[Any]:
        """All that are still there."""
        return iter(list(self._used))
