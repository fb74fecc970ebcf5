"""FileStore: what is asked of a store that finds files by itself."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jobchaos.core.ports import Store
from jobchaos.core.snapshot import Snapshot


@runtime_checkable
class FileStore(Store, Protocol):
    """A store of files, among which may be some that another store is about: a database's."""

    def leave_out(self, files: frozenset[str]) -> Snapshot:
        """Leave these paths to the stores that have them as their `files`, from now on.

        Args:
            files: All of them, those that were left out before included.

        Returns:
            The initial content without them.
        """
