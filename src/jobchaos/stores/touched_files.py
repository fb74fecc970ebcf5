"""TouchedFiles: the files that a job creates, changes and removes, found as it touches them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from jobchaos.core.effect import PRIVATE
from jobchaos.core.ignore import TEMPORARY
from jobchaos.core.snapshot import Row, Snapshot, Table
from jobchaos.stores import tree
from jobchaos.stores.base import BaseStore
from jobchaos.stores.directory import COLUMNS
from jobchaos.stores.safety import require_test_path

_FILE = "file:"


class TouchedFiles(BaseStore):
    """Each path is captured just before its first touch.

    That may be long after the check began, so the state is told as what differs from the captured one: a file that is
    as it was before is no part of it, whenever it was captured. Temporary files that are announced as such before they
    are made are told apart from others. Databases that have a store of their own are no part of it, though a directory
    may have been made for them; one that was removed before its store knew it is brought back, but not compared.

    Args:
        allow: Paths that may be changed although they are not plainly test resources.
        name: Short name for reports.
    """

    def __init__(self, allow: Sequence[str] = (), name: str = "files") -> None:
        super().__init__(name)
        self._allow = tuple(allow)
        self._initial: dict[str, tree.Entry | None] = {}
        self._temporary: set[str] = set()
        self._left_out: frozenset[str] = frozenset()

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource.startswith((_FILE, PRIVATE))

    def announce(self, resource: str) -> None:
        """See `Store.announce`.

        Raises:
            UnsafeRestoreError: If the path is not plainly a test resource.
        """
        if resource.startswith(PRIVATE):
            self._temporary.add(resource.removeprefix(PRIVATE))
            return
        path = resource.removeprefix(_FILE)
        require_test_path(path, self._allow)
        for touched in (path, *tree.below(path)):  # a directory may be about to be renamed, with all that is in it
            if touched not in self._initial and touched not in self._left_out:
                self._initial[touched] = tree.read(touched)

    def leave_out(self, files: frozenset[str]) -> Snapshot:
        """See `FileStore.leave_out`."""
        self._initial = tree.left_to_others(self._initial, files - self._left_out)
        self._left_out = files
        return Snapshot({"files": Table(COLUMNS, (), ("path",))})

    def capture(self) -> None:
        """See `Store.capture`: nothing has been touched yet."""

    def restore(self) -> None:
        """See `Store.restore`."""
        _put(self._initial)

    def hold(self) -> dict[str, tree.Entry | None]:
        """See `Returnable.hold`."""
        return {path: tree.read(path) for path in self._present()}

    def put_back(self, held: dict[str, tree.Entry | None]) -> None:
        """See `Returnable.put_back`: what was not yet known then was as it is captured."""
        _put({path: entry for path, entry in (self._initial | held).items() if path not in self._left_out})

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        tables: dict[str, list[Row]] = {"files": [], **({TEMPORARY: []} if self._temporary else {})}
        for path in sorted(dict.fromkeys(self._present())):
            before, now = self._initial.get(path), tree.read(path)
            rows = tables[TEMPORARY if self._is_temporary(path) else "files"]
            if now is None and before is not None:
                rows.append((path, "removed", None))
            elif now is not None and now != before and now.kind != "other":
                rows.append((path, now.type, now.cell))
        return Snapshot({name: Table(COLUMNS, tuple(rows), ("path",)) for name, rows in tables.items()})

    def _is_temporary(self, path: str) -> bool:
        return any(path == made or path.startswith(made + os.sep) for made in self._temporary)

    def _present(self) -> Iterator[str]:
        for path, entry in self._initial.items():
            found = [path]
            if entry is None and os.path.isdir(path):  # it may have been moved here with all that is in it
                found += tree.below(path)
            yield from (one for one in found if one not in self._left_out)


def _put(wanted: dict[str, tree.Entry | None]) -> None:
    for path in sorted(wanted, reverse=True):
        if wanted[path] is None:
            tree.remove(path)
    tree.put({path: entry for path, entry in wanted.items() if entry is not None})
