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
    are made are told apart from others.

    Args:
        allow: Paths that may be changed although they are not plainly test resources.
        name: Short name for reports.
    """

    def __init__(self, allow: Sequence[str] = (), name: str = "files") -> None:
        super().__init__(name)
        self._allow = tuple(allow)
        self._initial: dict[str, tree.Entry | None] = {}
        self._temporary: set[str] = set()

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
            if touched not in self._initial:
                self._initial[touched] = tree.read(touched)

    def capture(self) -> None:
        """See `Store.capture`: nothing has been touched yet."""

    def restore(self) -> None:
        """See `Store.restore`."""
        self.put_back({})

    def hold(self) -> dict[str, tree.Entry | None]:
        """See `Returnable.hold`."""
        return {path: tree.read(path) for path in self._present()}

    def put_back(self, held: dict[str, tree.Entry | None]) -> None:
        """See `Returnable.put_back`: what was not yet known then was as it is captured."""
        wanted = self._initial | held
        for path in sorted(wanted, reverse=True):
            if wanted[path] is None:
                tree.remove(path)
        tree.put({path: entry for path, entry in wanted.items() if entry is not None})

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
            yield path
            if entry is None and os.path.isdir(path):  # it may have been moved here with all that is in it
                yield from tree.below(path)
