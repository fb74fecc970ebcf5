"""Sharing: a connection on which one copy's transaction is open, and that another copy uses, too."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from jobchaos.core.ports import Worker

_SHARED = (
    "uses a connection on which another copy's transaction is open, as both find it in one place (a global, a cache). "
    "Workers are processes, which share no connection, and threads must not share one: let the job open its own, or "
    'check it with isolation="process"'
)


class Sharing:
    """Tells a connection that is used by two at once from one that is passed on, as pools do."""

    def __init__(self) -> None:
        self._threads: weakref.WeakKeyDictionary[Worker, int] = weakref.WeakKeyDictionary()

    def ended(self, worker: Worker) -> None:
        """A worker uses nothing any more."""
        self._threads.pop(worker, None)

    def may_use(self, worker: Worker, last: Worker | None, is_open: Callable[[], bool]) -> bool:
        """Whether a worker may use a connection; if not, that is told.

        Args:
            worker: Who is about to use it.
            last: Who has used it last.
            is_open: Tells whether a transaction is open on it.
        """
        here = self._threads[worker] = threading.get_ident()
        is_others = last is not None and last is not worker and self._threads.get(last, here) != here
        if not is_others or not is_open():
            return True
        worker.oddity("JC912", _SHARED, placed=True)
        return False
