"""ProbedBlob: a value that a job opens to read and write it in place, with `sqlite3.Connection.blobopen`.

SQLite begins a transaction when one is opened to be written, and commits when it is closed, unless a transaction is
open anyway (https://www.sqlite.org/c3ref/blob_open.html). Here each of these is a statement, and so a step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobchaos.core.ports import Worker
    from jobchaos.probes.sqlite_connection import ProbedConnection


class ProbedBlob:
    """Does what `sqlite3.Blob` does.

    Args:
        connection: Where it is opened.
        worker: Who opens it.
        call: Opens it.
        place: Its table, column and row.
        readonly: Whether it is only read.
    """

    def __init__(
        self,
        connection: ProbedConnection,
        worker: Worker,
        call: Callable[[], Any],
        place: tuple[str, str, int],
        *,
        readonly: bool,
    ) -> None:
        table, column, row = place
        self._connection = connection
        self._worker = worker
        self._name = f"{table}.{column} of row {row}"
        cell, rows = f'"{column}"', f'"{table}"'
        # SQLite does not count what is written so: with WITH, nobody asks how many rows have changed.
        self._written = f"WITH it AS (SELECT {row}) UPDATE {rows} SET {cell} = 0 WHERE rowid = {row}"  # noqa: S608 - only read
        self._commits = not readonly and not connection.in_transaction
        if self._commits:
            connection.execute("BEGIN IMMEDIATE")
        try:
            read = f"SELECT {cell} FROM {rows} WHERE rowid = {row}"  # noqa: S608 - likewise
            self._blob = self._run(read, call, f"open {self._name}")
        except sqlite3.Error:
            if self._commits:
                connection.rollback()
            raise

    def write(self, data: Any, /) -> None:
        """See `sqlite3.Blob.write`."""
        self._run(self._written, lambda: self._blob.write(data), f"write {self._name}")

    def __setitem__(self, key: Any, value: Any) -> None:
        self._run(self._written, lambda: self._blob.__setitem__(key, value), f"write {self._name}")

    def _run(self, sql: str, call: Callable[[], Any], shown: str) -> Any:
        """Let a call through, as if it were a statement that does the same."""
        return self._connection.run(self._worker, sql, (), call, shown)

    def close(self) -> None:
        """See `sqlite3.Blob.close`."""
        self._blob.close()
        if self._commits:
            self._commits = False
            self._connection.commit()

    def __getitem__(self, key: Any) -> Any:
        return self._blob[key]

    def __len__(self) -> int:
        return len(self._blob)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blob, name)

    def __enter__(self) -> Any:
        self._blob.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
