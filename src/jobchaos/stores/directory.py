"""DirectoryStore: all files below one directory."""

from __future__ import annotations

import os
from collections.abc import Sequence

from jobchaos.core.snapshot import Row, Snapshot, Table
from jobchaos.errors import UsageError
from jobchaos.stores import tree
from jobchaos.stores.base import BaseStore
from jobchaos.stores.safety import require_test_path

_LARGEST = 64 * 2**20
COLUMNS = ("path", "type", "content")


class DirectoryStore(BaseStore):
    """Keeps a directory's files in memory and puts them back.

    Args:
        path: The directory; it need not exist yet.
        allow: Paths that may be restored although they are not plainly test resources.
        name: Short name for reports; empty takes the directory's name.
    """

    def __init__(self, path: str | os.PathLike[str], *, allow: Sequence[str] = (), name: str = "") -> None:
        self._path = os.path.realpath(os.fspath(path))
        super().__init__(name or os.path.basename(self._path))
        self._allow = tuple(allow)
        self._initial: dict[str, tree.Entry] | None = None
        self._left_out: frozenset[str] = frozenset()

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        base = f"file:{self._path}"
        return resource == base or resource.startswith(base + os.sep)

    def capture(self) -> None:
        """See `Store.capture`.

        Raises:
            UsageError: If the files have more than 64 MiB together.
        """
        require_test_path(self._path, self._allow)
        initial = self._read()
        size = sum(len(entry.content) for entry in initial.values())
        if size > _LARGEST:
            raise UsageError(
                f"{self._path} holds {size >> 20} MiB; a check keeps it in memory and restores it many times, so at "
                f"most {_LARGEST >> 20} MiB are taken. Point the store at a smaller directory."
            )
        self._initial = initial

    def leave_out(self, files: frozenset[str]) -> Snapshot:
        """See `FileStore.leave_out`: of databases that are looked at by their rows."""
        self._initial = tree.left_to_others(self._initial or {}, files - self._left_out)
        self._left_out = files
        return _told(self._path, {path: entry for path, entry in self._initial.items() if path not in files})

    def restore(self) -> None:
        """See `Store.restore`: changes only what differs. Times and sizes are not asked, since copies may keep them."""
        if self._initial is not None:
            self._put(self._initial)

    def hold(self) -> dict[str, tree.Entry]:
        """See `Returnable.hold`."""
        return self._read()

    def put_back(self, held: dict[str, tree.Entry]) -> None:
        """See `Returnable.put_back`."""
        self._put({path: entry for path, entry in held.items() if path not in self._left_out})

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return _told(self._path, self._read())

    def _put(self, wanted: dict[str, tree.Entry]) -> None:
        for path in sorted(set(self._paths()) - wanted.keys(), reverse=True):
            tree.remove(path)
        tree.put(wanted)

    def _paths(self) -> list[str]:
        paths = [self._path, *tree.below(self._path)] if os.path.lexists(self._path) else []
        return [path for path in paths if path not in self._left_out]

    def _read(self) -> dict[str, tree.Entry]:
        found = ((path, tree.read(path)) for path in self._paths())
        return {path: entry for path, entry in found if entry is not None}


def _told(base: str, entries: dict[str, tree.Entry]) -> Snapshot:
    rows: list[Row] = [
        (os.path.relpath(path, base).replace(os.sep, "/"), entry.type, entry.cell)
        for path, entry in entries.items()
        if entry.kind != "other"
    ]
    return Snapshot({"files": Table(COLUMNS, tuple(rows), ("path",))})
