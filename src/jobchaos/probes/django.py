"""DjangoProbe: gives each controlled worker database connections of its own, and closes them when it ends.

A test that runs in a transaction (pytest-django's `db`, Django's `TestCase`) has data that only its own connection can
see. There workers get that one connection, one at a time, and what they do on it is watched by `TestTransaction`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jobchaos.core.ports import Worker
from jobchaos.probes.django_transaction import TestTransaction
from jobchaos.probes.library import LibraryProbe
from jobchaos.probes.setup import setting_up
from jobchaos.probes.sqlite_connection import ProbedConnection

_THREAD = re.compile(r"^s\d+_")

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class DjangoProbe(LibraryProbe):
    """Does nothing unless Django's settings are configured."""

    library = "django.db"

    def __init__(self) -> None:
        super().__init__()
        self._shared: dict[str, TestTransaction] = {}
        self._inherited: list[BaseDatabaseWrapper] = []
        self._is_configured = False

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        from django.conf import settings
        from django.db import connections, transaction
        from django.db.backends.base.base import BaseDatabaseWrapper

        self._is_configured = settings.configured
        if not self._is_configured:
            return
        for connection in connections.all(initialized_only=True):
            if connection.in_atomic_block:
                self._shared[connection.alias] = TestTransaction(connection, self.worker)
        self._watch_setup(BaseDatabaseWrapper)
        self._name_savepoints(BaseDatabaseWrapper)
        if self._shared:
            self._watch_blocks(transaction.Atomic)

    def remove(self) -> None:
        """See `Probe.remove`."""
        for shared in self._shared.values():
            shared.release()
        self._shared.clear()
        super().remove()

    def enter(self, worker: Worker) -> None:
        """See `Probe.enter`: connections belong to threads."""
        if self._shared:
            from django.db import connections

            for alias, shared in self._shared.items():
                connections[alias] = shared.connection

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        if not self._is_configured:
            return
        from django.db import connections
        from django.db.backends.base.base import BaseDatabaseWrapper

        for connection in connections.all(initialized_only=True):
            if connection.alias in self._shared:
                self._shared[connection.alias].end_attempt()
            else:
                BaseDatabaseWrapper.close(connection)  # SQLite's own leaves databases in memory open
            del connections[connection.alias]

    def after_fork(self) -> None:
        """See `Probe.after_fork`: the test's connections are the parent's."""
        if self._is_configured:
            from django.db import connections

            for connection in connections.all(initialized_only=True):
                self._inherited.append(connection)  # kept, or they would be closed here
                del connections[connection.alias]

    def _watch_setup(self, owner: Any) -> None:
        genuine = owner.connect

        def connect(connection: BaseDatabaseWrapper) -> None:
            with setting_up():
                genuine(connection)
            if isinstance(connection.connection, ProbedConnection):
                connection.connection.is_quiet = False

        self.patches.set(owner, "connect", connect)

    def _name_savepoints(self, owner: Any) -> None:
        """Without the thread's number, which is another one each time."""
        for name in ("_savepoint", "_savepoint_rollback", "_savepoint_commit"):
            genuine = vars(owner)[name]

            def named(connection: BaseDatabaseWrapper, sid: str, genuine: Any = genuine) -> None:
                genuine(connection, sid if self.worker() is None else _THREAD.sub("", sid))

            self.patches.set(owner, name, named)

    def _watch_blocks(self, owner: Any) -> None:
        enter, leave = owner.__enter__, owner.__exit__

        def entered(block: Any) -> None:
            shared = self._of(block)
            if shared is None:
                enter(block)
                return
            with shared.beginning(block):
                enter(block)

        def left(block: Any, kind: Any, error: Any, traceback: Any) -> None:
            leave(block, kind, error, traceback)
            shared = self._of(block)
            if shared is not None and kind is None:
                shared.run_commit_hooks()

        self.patches.set(owner, "__enter__", entered)
        self.patches.set(owner, "__exit__", left)

    def _of(self, block: Any) -> TestTransaction | None:
        from django.db import DEFAULT_DB_ALIAS

        return None if self.worker() is None else self._shared.get(block.using or DEFAULT_DB_ALIAS)
