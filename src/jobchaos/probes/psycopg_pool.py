"""PsycopgPoolProbe: gives each controlled worker a pool of its own in the place of each of psycopg's.

Problem: a pool is a global of the process, and so are its connections and the threads that fill it. Another worker
would have been another process: it has neither what the dead one has left in the pool, nor, after a fork, any such
thread. And when a thread of the pool gets to work, no schedule can tell.

Solution: what a worker does to a pool is done to a copy of it, empty and opened as the pool itself is. What the pool
leaves to its threads is done at once, where it is asked for; only the connections that are needed are opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import threading
import weakref
from collections import Counter, deque
from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.library import LibraryProbe

_METHODS = (
    *("getconn", "putconn", "open", "_open", "close", "wait", "check", "drain", "resize"),
    *("get_stats", "pop_stats"),
)
_tasks: set[asyncio.Future[None]] = set()
_Pools = weakref.WeakKeyDictionary[Any, Any]


class PsycopgPoolProbe(LibraryProbe):
    """Does nothing unless psycopg_pool has been imported."""

    library = "psycopg_pool"

    def __init__(self) -> None:
        super().__init__()
        self._own: weakref.WeakKeyDictionary[Worker, _Pools] = weakref.WeakKeyDictionary()
        self._copies: weakref.WeakSet[Any] = weakref.WeakSet()
        self._made: weakref.WeakSet[Any] = weakref.WeakSet()

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        import psycopg_pool
        from psycopg_pool.base import BasePool

        for owner in (psycopg_pool.ConnectionPool, psycopg_pool.AsyncConnectionPool, BasePool):
            for name in _METHODS:
                if name in vars(owner):
                    self._replace(owner, name)
        closed = vars(BasePool)["closed"].fget
        self.patches.set(BasePool, "closed", property(lambda pool: closed(self._used(pool))))

    def remove(self) -> None:
        """See `Probe.remove`: pools that a job has made are the process's from now on."""
        super().remove()
        for pool in list(self._made):
            pool._open()  # noqa: SLF001
        self._made.clear()

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`: its connections would end with its process."""
        for pool in self._own.pop(worker, {}).values():
            for connection in pool._pool:  # noqa: SLF001
                _close(connection)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _replace(self, owner: type[Any], name: str) -> None:
        genuine = vars(owner)[name]

        def method(pool: Any, *args: Any, **kwargs: Any) -> Any:
            used = self._used(pool)
            if used is not pool and name == "_open":  # its constructor does
                self._made.add(pool)
            return genuine(used, *args, **kwargs)

        self.patches.set(owner, name, method)

    def _used(self, pool: Any) -> Any:
        """What stands for a pool in the calling thread."""
        worker = self.worker()
        if worker is None or pool in self._copies:
            return pool
        pools = self._own.setdefault(worker, weakref.WeakKeyDictionary())
        if pool not in pools:
            pools[pool] = self._copied(pool)
        own = pools[pool]
        own._open_implicit = own._open_implicit and pool._open_implicit  # noqa: SLF001 - `with` says that it is meant
        return own

    def _copied(self, pool: Any) -> Any:
        import psycopg_pool

        own = copy.copy(pool)
        self._copies.add(own)
        own._pool, own._waiting, own._stats = deque(), deque(), Counter()  # noqa: SLF001
        own._nconns = own._nconns_min = own._min_size = 0  # noqa: SLF001
        own._growing, own._pool_full_event, own._sched_runner, own._workers = False, None, None, []  # noqa: SLF001
        own._start_workers = own._start_initial_tasks = lambda: None  # noqa: SLF001
        own._closed, own._opened = True, pool._closed and pool._opened  # noqa: SLF001
        is_blocking = isinstance(pool, psycopg_pool.ConnectionPool)
        own._lock = threading.RLock() if is_blocking else asyncio.Lock()  # noqa: SLF001
        own.run_task = self._at_once if is_blocking else _soon
        if not pool._closed or pool in self._made:  # noqa: SLF001
            own._open()  # noqa: SLF001
        return own

    def _at_once(self, task: Any) -> None:
        assert self.control is not None  # noqa: S101 - installed
        with self.control.hidden(), contextlib.suppress(Exception):  # as the pool's threads do, but for their log
            task.run()


def _soon(task: Any) -> None:
    running = asyncio.ensure_future(task.run())
    _tasks.add(running)
    running.add_done_callback(_tasks.discard)


def _close(connection: Any) -> None:
    """Close what nobody uses. A coroutine's event loop is gone; psycopg closes without one."""
    closing = connection.close()
    if closing is not None:
        with contextlib.suppress(StopIteration):
            closing.send(None)
