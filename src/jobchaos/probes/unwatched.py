"""UnwatchedProbe: a driver whose statements nobody turns into steps, and whose database nobody restores.

Each use of one is told as a touch of a resource that no store knows. Without it such a job could pass, since all that
is seen of it is in order.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from jobchaos.probes.library import LibraryProbe


class UnwatchedProbe(LibraryProbe):
    """Touches `driver:` and the driver's name when a controlled worker uses one of its connections.

    Args:
        library: The module of the driver's with the class of its connections, or of their cursors.
        owner: That class.
        methods: What a connection goes through before it changes anything.
    """

    def __init__(self, library: str, owner: str, methods: tuple[str, ...]) -> None:
        super().__init__()
        self.library = library
        self._owner = owner
        self._methods = methods

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        owner = getattr(importlib.import_module(self.library), self._owner)
        for name in self._methods:
            self.patches.put(owner, name, self._telling(getattr(owner, name)))

    def _telling(self, genuine: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(genuine)
        def used(*args: Any, **kwargs: Any) -> Any:
            worker = self.worker()
            if worker is not None:
                worker.touch(f"driver:{self.library.rpartition('.')[0]}")
            return genuine(*args, **kwargs)

        return used


def unwatched_drivers() -> list[UnwatchedProbe]:
    """Those that are known."""
    return [
        UnwatchedProbe("pg8000.core", "CoreConnection", ("execute_simple", "execute_unnamed", "prepare_statement")),
        UnwatchedProbe("mariadb.cursors", "Cursor", ("execute", "executemany", "callproc")),
        UnwatchedProbe("mysql.connector.connection_cext", "CMySQLConnection", ("cmd_query", "cmd_stmt_prepare")),
    ]
