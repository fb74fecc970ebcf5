"""SQLiteProbe: every statement and commit on a database that a controlled worker opens is an effect."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable
from typing import Any

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.audit import subscribe, unsubscribe
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import rebind
from jobchaos.probes.sqlite_connection import Database, ProbedConnection, probed
from jobchaos.probes.statement import Catalog

_connect = sqlite3.connect
_DEFAULT_TIMEOUT = 5.0  # seconds, sqlite3.connect's own default


class SQLiteProbe(BaseProbe):
    """Replaces `sqlite3.connect` for controlled workers, under all names by which modules know it."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._connections: weakref.WeakSet[ProbedConnection] = weakref.WeakSet()
        self._catalogs: dict[str, Catalog] = {}
        self._opening = threading.local()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        self._patches.set(sqlite3, "connect", self._open)
        self._patches.set(sqlite3.dbapi2, "connect", self._open)
        self._patches.on_undo(rebind(_connect, self._open))
        subscribe("sqlite3.connect", self._audit)
        self._patches.on_undo(lambda: unsubscribe("sqlite3.connect", self._audit))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        for connection in list(self._connections):  # a pool may keep them: make them ordinary again
            connection.release()
        self._catalogs.clear()
        self._control = None

    def bury(self, worker: Worker) -> None:
        """See `Probe.bury`: the operating system would close the dead worker's files, and so drop its locks."""
        for connection in list(self._connections):
            if connection.last_worker is worker:
                connection.sever()

    def settle(self) -> None:
        """See `Probe.settle`: what nobody has committed by now never will be."""
        for connection in list(self._connections):
            connection.sever()

    def _open(self, database: Any, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        control = self._control
        worker = None if control is None else control.current()
        if control is None or worker is None:
            return _connect(database, *args, **kwargs)
        options = dict(zip(_POSITIONAL, args, strict=False)) | kwargs
        name = os.fsdecode(database)
        base = _base(name, bool(options.get("uri")))
        if base is None:  # a private in-memory database is not outside the process
            return self._genuinely(lambda: _connect(database, **options))
        worker.touch(base)
        timeout = float(options.pop("timeout", _DEFAULT_TIMEOUT))
        same_thread = bool(options.pop("check_same_thread", True))
        factory = options.pop("factory", sqlite3.Connection)
        connection = self._genuinely(
            lambda: _connect(
                database, timeout=0, check_same_thread=False, factory=probed(factory, ProbedConnection), **options
            )
        )
        catalog = self._catalogs.setdefault(base, Catalog(name, bool(options.get("uri")), base))
        connection.attach(Database(control, base, catalog), timeout, same_thread)
        self._connections.add(connection)
        return connection  # type: ignore[no-any-return]

    def _genuinely(self, connect: Callable[[], Any]) -> Any:
        self._opening.ours = True
        try:
            return connect()
        finally:
            self._opening.ours = False

    def _audit(self, _event: str, args: tuple[Any, ...]) -> None:
        worker = None if self._control is None else self._control.current()
        if worker is None or getattr(self._opening, "ours", False):
            return
        worker.oddity(
            "JC905",
            f"opens {args[0]!r} through a reference to sqlite3.connect that could not be replaced (kept in a class, a "
            "container or a partial); call sqlite3.connect itself",
        )


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
        if "mode=memory" in name or name.startswith("file::memory:"):
            return f"sql:{name}" if "cache=shared" in name else None
        name = name.removeprefix("file:").split("?")[0]
        name = "/" + name.lstrip("/") if name.startswith("//") else name
    return f"sql:{os.path.realpath(name)}"
