"""SQLiteProbe: every statement and commit on a database that a controlled worker opens is an effect."""

from __future__ import annotations

import functools
import os
import sqlite3
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

from jobchaos.core.effect import Effect
from jobchaos.core.ports import Control, Worker
from jobchaos.core.project import is_ours
from jobchaos.core.sqlite_uri import file_of, is_in_memory, is_shared
from jobchaos.probes.audit import subscribe, unsubscribe
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.setup import is_setting_up
from jobchaos.probes.sharing import Sharing
from jobchaos.probes.sqlite_catalog import Catalog, News
from jobchaos.probes.sqlite_connection import ProbedConnection
from jobchaos.probes.sqlite_cursor import probed
from jobchaos.probes.sqlite_database import Database
from jobchaos.probes.sqlite_locks import SQLiteLocks

_connect: Callable[..., sqlite3.Connection] = sqlite3.connect
_CALLER = 2  # frames above a listener of audit events: the hook, and who caused the event
_DEFAULT_TIMEOUT = 5.0  # seconds, sqlite3.connect's own default


class SQLiteProbe(BaseProbe):
    """Replaces `sqlite3.connect` for controlled workers, under all names by which modules know it.

    Args:
        bindings: Finds other names of the function.
        outside: Watch connections as well that nobody opens for a worker, in case that one uses them later; and let
            all wait for locks in real time. Those of Django are watched by its own probe.
    """

    def __init__(self, bindings: Bindings, *, outside: bool = False) -> None:
        self._bindings = bindings
        self._outside = outside
        self._patches = Patches()
        self._control: Control | None = None
        self._connections: weakref.WeakSet[ProbedConnection] = weakref.WeakSet()
        self._databases: dict[str, Database] = {}
        self._inherited: list[ProbedConnection] = []
        self._sharing = None if outside else Sharing()
        self._dies = False  # really, if this process is killed

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._patches.set(sqlite3, "connect", self._open)
        self._patches.set(sqlite3.dbapi2, "connect", sqlite3.connect)
        self._bindings.replace(_connect, sqlite3.connect)
        subscribe("sqlite3.connect", self._audit)
        self._patches.on_undo(lambda: unsubscribe("sqlite3.connect", self._audit))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        for connection in list(self._connections):  # a pool may keep them: make them ordinary again
            connection.release()
        for database in self._databases.values():
            database.catalog.close()
            database.clock.close()
        self._databases.clear()
        self._control = None

    def after_fork(self) -> None:
        """See `Probe.after_fork`."""
        self._dies = True
        self._inherited = list(self._connections)  # kept, or they would be closed here
        for connection in self._inherited:
            connection.is_inherited = True
        for database in self._databases.values():
            database.catalog.abandon()

    def hand_over(self) -> dict[str, tuple[str, bool, News]]:
        """See `Probe.hand_over`: what was compiled, for each database, which the next worker need not do again."""
        return {
            base: (database.catalog.database, database.catalog.uri, database.catalog.take_news())
            for base, database in self._databases.items()
        }

    def take_over(self, news: dict[str, tuple[str, bool, News]]) -> None:
        """See `Probe.take_over`."""
        for base, (name, uri, compiled) in news.items():
            self._database(base, name, uri=uri).catalog.learn(compiled)

    def leave(self, worker: Worker) -> None:
        """See `Probe.leave`."""
        if self._sharing is not None:
            self._sharing.ended(worker)
            for connection in list(self._connections):
                if connection.last_worker is worker and connection.thread_check is not None:
                    connection.thread_check.pass_on()

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`: the operating system would close the dead worker's files, and so drop its locks."""
        for connection in list(self._connections):
            if connection.last_worker is worker:
                connection.sever()

    def notes(self) -> list[str]:
        """See `Probe.notes`: what SQLite cannot show."""
        return [
            f"{os.path.basename(database.base)} is SQLite, whose transactions are serializable: it cannot show the "
            "anomalies inside transactions (lost update, write skew, phantom, non-repeatable read) that servers let "
            "happen at their usual levels"
            for database in self._databases.values()
            if database.levels
        ]

    def settle(self) -> None:
        """See `Probe.settle`: what nobody has committed by now never will be."""
        for connection in list(self._connections):
            connection.sever()
            if connection.is_closed:
                self._connections.discard(connection)
        for database in self._databases.values():  # restoring them may bring back another schema
            database.catalog.reconsider()

    def _open(self, database: Any, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        control = self._control
        worker = None if control is None else control.current()
        if control is None or (worker is None and not self._outside):
            return _connect(database, *args, **kwargs)
        options = dict(zip(_POSITIONAL, args, strict=False)) | kwargs
        name = os.fsdecode(database)
        base = _base(name, bool(options.get("uri")))
        if base is None:  # a private in-memory database is not outside the process
            return _connect(database, **options)
        if self._outside and _is_djangos(sys._getframe(1)):  # noqa: SLF001 - the documented way to look at frames
            return _connect(database, **options)
        if worker is not None and worker.dead:
            worker.begin(Effect("sql", f"connect to {name}"), _refusal)  # raises: `backup` could write past our cursors
        if worker is not None:
            worker.touch(base)
        timeout = float(options.pop("timeout", _DEFAULT_TIMEOUT))
        same_thread = bool(options.pop("check_same_thread", True))
        factory = options.pop("factory", sqlite3.Connection)
        options |= {"check_same_thread": False, "factory": probed(factory, ProbedConnection)}
        connection = cast("ProbedConnection", _connect(database, timeout=timeout if self._outside else 0, **options))
        keeps_journal = self._dies or self._outside
        known = self._database(base, name, uri=bool(options.get("uri")))
        connection.attach(known, timeout, same_thread, keeps_journal=keeps_journal, keeps_time=self._outside)
        connection.is_quiet = is_setting_up()
        self._connections.add(connection)
        return connection

    def _database(self, base: str, name: str, *, uri: bool) -> Database:
        if base not in self._databases:
            assert self._control is not None  # noqa: S101 - only called while installed
            catalog = Catalog(name, uri, base)
            locks, connections = SQLiteLocks(base), self._connections
            self._databases[base] = Database(
                self._control, base, catalog, locks, self._sharing, connections=connections
            )
        return self._databases[base]

    def _audit(self, _event: str, args: tuple[Any, ...]) -> None:
        worker = None if self._control is None else self._control.current()
        caller = sys._getframe(_CALLER).f_code.co_filename  # noqa: SLF001 - the documented way to look at frames
        if worker is None or is_ours(caller):
            return
        worker.oddity(
            "JC905",
            f"opens {args[0]!r} through a reference to sqlite3.connect that could not be replaced (kept in a class, a "
            "container or a partial); call sqlite3.connect itself",
        )


def _is_djangos(caller: FrameType) -> bool:
    return str(caller.f_globals.get("__name__")).startswith("django.db.")


def _refusal() -> Exception:
    return sqlite3.OperationalError("unable to open database file")


_POSITIONAL = (
    "timeout",
    "detect_types",
    "isolation_level",
    "check_same_thread",
    "factory",
    "cached_statements",
    "uri",
)


def _base(name: str, uri: bool) -> str | None:
    """The resource path of a database; None if it is private to its connection."""
    if name in (":memory:", ""):
        return None
    if uri and name.startswith("file:"):
        if is_in_memory(name):
            return f"sql:{name}" if is_shared(name) else None
        name = file_of(name)
    return f"sql:{_real(name) if os.path.isabs(name) else os.path.realpath(name)}"


_real = functools.lru_cache(maxsize=64)(os.path.realpath)
