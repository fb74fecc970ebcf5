"""SQLiteStore: one SQLite database, in a file or in shared memory."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from jobchaos.core.rows import LARGE, Base, rows_since
from jobchaos.core.snapshot import Row, Snapshot, Table
from jobchaos.core.sqlite_uri import file_of, is_in_memory
from jobchaos.errors import UsageError
from jobchaos.stores.base import BaseStore
from jobchaos.stores.safety import require_test_path
from jobchaos.stores.sqlite_images import Images
from jobchaos.stores.sqlite_schema import Schema, quoted

T = TypeVar("T")
_connect: Callable[..., sqlite3.Connection] = sqlite3.connect  # the genuine one: while a check runs, it is replaced
_BUSY, _LOCKED = 5, 6  # https://www.sqlite.org/rescode.html; Python has names for them from 3.11 on
_COMPANIONS = ("", "-wal", "-shm", "-journal")


class SQLiteStore(BaseStore):
    """Captures a database in memory, and restores it page by page, so that open connections go on working.

    Args:
        path: The database's file, or a `file:` URI of one, or of a database in shared memory.
        allow: Paths that may be restored although they are not plainly test resources.
        name: Short name for reports; empty takes the file's name.
    """

    def __init__(self, path: str | os.PathLike[str], *, allow: Sequence[str] = (), name: str = "") -> None:
        text = os.fspath(path)
        is_uri = text.startswith("file:")
        self.in_memory = is_uri and is_in_memory(text)
        """True if only this process can reach the database."""
        self._path = text if self.in_memory else os.path.realpath(file_of(text) if is_uri else text)
        super().__init__(name or _short(self._path))
        self.files = frozenset() if self.in_memory else frozenset(self._path + suffix for suffix in _COMPANIONS)
        """The database's file, and those that SQLite may put beside it."""
        self._allow = tuple(allow)
        self._captured = False
        self._initial: sqlite3.Connection | None = None
        self._held: list[sqlite3.Connection] = []
        self._live: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # the one that `_live` is open on
        self._schema: Schema | None = None
        self._images = Images()
        self._bases: dict[tuple[str, tuple[str, ...]], Base] = {}
        self._restored: tuple[sqlite3.Connection | None, int] = None, -1
        """What was put back last, and SQLite's data version right after: nobody has written since if it is the same."""

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        base = f"sql:{self._path}"
        return resource == base or resource.startswith(f"{base}/")

    def capture(self) -> None:
        """See `Store.capture`."""
        if not self.in_memory:
            require_test_path(self._path, self._allow)
        self._initial = self.hold()
        self._captured = True

    def restore(self) -> None:
        """See `Store.restore`."""
        if self._captured:
            self.put_back(self._initial)

    def hold(self) -> sqlite3.Connection | None:
        """See `Returnable.hold`: a copy in memory; None if there is no database."""
        if not self._exists():
            return None
        copy = _connect(":memory:", check_same_thread=False)
        self._held.append(copy)
        self._locked(lambda: _copy(self._open(), copy))
        return copy

    def put_back(self, held: sqlite3.Connection | None) -> None:
        """See `Returnable.put_back`."""
        if held is None:
            self._remove()
        else:
            self._locked(lambda: self._write_back(held))

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        if not self._exists():
            return Snapshot({})
        return self._locked(self._read)

    def close(self) -> None:
        """See `Store.close`."""
        for connection in (self._live, *self._held):
            if connection is not None:
                connection.close()
        self._live = self._initial = None
        self._held.clear()

    def _exists(self) -> bool:
        return self.in_memory or os.path.exists(self._path)

    def _open(self) -> sqlite3.Connection:
        if not self.in_memory and self._live is not None and self._file != _identity(self._path):
            self._live.close()  # somebody has removed or replaced the file
            self._live = None
        if self._live is None:
            live = _connect(self._path, uri=self.in_memory, timeout=0, check_same_thread=False, isolation_level=None)
            try:
                live.execute("PRAGMA synchronous = OFF")
                if live.execute("PRAGMA journal_mode").fetchone() != ("wal",):  # that one is kept in the file
                    live.execute("PRAGMA journal_mode = MEMORY")
            except BaseException:
                live.close()
                raise
            self._live, self._schema, self._restored = live, Schema(live), (None, -1)
            self._file = None if self.in_memory else _identity(self._path)
        return self._live

    def _write_back(self, held: sqlite3.Connection) -> None:
        if not self._exists():
            self._remove()  # a journal that was left behind must not be played back
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
        live = self._open()
        if (held, _version(live)) != self._restored:
            _copy(held, live)
            self._restored = held, _version(live)

    def _remove(self) -> None:
        if self._live is not None:
            self._live.close()
            self._live = None
        for suffix in _COMPANIONS:
            Path(self._path + suffix).unlink(missing_ok=True)

    def _read(self) -> Snapshot:
        live = self._open()
        assert self._schema is not None  # noqa: S101 - made together with the connection
        tables = self._schema.tables()  # first: if somebody has locked all, `serialize` would not say why it fails
        live.execute("BEGIN")  # one state, even if somebody outside the check writes
        try:
            image = b"" if self.in_memory else self._images.take(live, self._path)
            snapshot = self._images.get(image)
            if snapshot is None:
                snapshot = Snapshot(
                    {name: self._table(live, name, table) for name, table in tables.items()} | _version_of(live)
                )
                self._images.keep(image, snapshot)
            return snapshot
        finally:
            live.execute("ROLLBACK")

    def _table(self, live: sqlite3.Connection, name: str, table: Table) -> Table:
        columns = ", ".join(map(quoted, table.columns))
        rows = tuple(_rows(live, f"SELECT {columns} FROM {quoted(name)}"))  # noqa: S608 - names are quoted
        key = name, table.columns
        if key not in self._bases and len(rows) >= LARGE:
            self._bases[key] = Base(rows)
        return replace(table, rows=rows_since(self._bases[key], rows) if key in self._bases else rows)

    def _locked(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise UsageError(
                f"{self.name} is locked by a connection outside the check, so that it can be neither read nor "
                "restored. Commit or close what the test itself has open before the job is checked."
            ) from error


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    def give_up(status: int, *_: int) -> None:
        if status in (_BUSY, _LOCKED):  # backup() itself would try again without end
            raise sqlite3.OperationalError("database is locked")

    source.backup(target, progress=give_up)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _version_of(connection: sqlite3.Connection) -> dict[str, Table]:
    """The number that an application keeps in the database's header, often that of its last migration."""
    rows = connection.execute("PRAGMA user_version").fetchall()
    return {} if rows == [(0,)] else {"PRAGMA user_version": Table(("value",), tuple(rows))}


def _rows(connection: sqlite3.Connection, query: str) -> list[Row]:
    try:
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
    connection.text_factory = _text  # slower, so only when there is text that is none
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.text_factory = str


def _short(path: str) -> str:
    name = path.removeprefix("file:").split("?")[0]
    return os.path.basename(name.rstrip("/")) or name


def _text(data: bytes) -> str | bytes:
    with contextlib.suppress(UnicodeDecodeError):
        return data.decode()
    return data
