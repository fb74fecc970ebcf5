"""TemporaryFiles: what `tempfile` has named and made in the system's own directory for such files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable

from jobchaos.core.effect import PRIVATE

EVENTS = ("tempfile.mkdtemp", "tempfile.mkstemp")
"""Audit events that announce one. Python gives each a name of its own, so that it belongs to one attempt."""


class TemporaryFiles:
    """Tells them from files that have a place of their own.

    Args:
        are_garbage: Whether they go with their attempt, so that what a dead one leaves of them is nobody's.

    Attributes:
        taken: What was tried last, if somebody has left a file of that name behind.
    """

    def __init__(self, are_garbage: Callable[[], bool]) -> None:
        self._are_garbage = are_garbage
        self._made: set[str] = set()
        self.taken = ""

    def making(self, path: str) -> bool:
        """One is about to be made; False if its name is taken, or if it is elsewhere, a file like any other."""
        if os.path.dirname(path) != os.path.realpath(tempfile.gettempdir()):
            return False
        self.taken = path if os.path.lexists(path) else ""
        if self.taken:
            return False
        self._made.add(path)
        return True

    def resource(self, path: str) -> str:
        """What a file is called in effects: what goes with its attempt, no other can know the name of."""
        kind = PRIVATE if self._are_garbage() and self._is_in_one(path) else "file:"
        return f"{kind}{path}"

    def _is_in_one(self, path: str) -> bool:
        return any(path == made or path.startswith(made + os.sep) for made in self._made)
