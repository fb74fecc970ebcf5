"""Images: snapshots of databases by their bytes, so that a state that was seen before need not be read again."""

from __future__ import annotations

import os
import sqlite3

from jobchaos.core.snapshot import Snapshot

_LARGEST = 2**24  # bytes: to copy and compare a page takes a hundredth of the time in which its rows are read
_MOST, _MOST_BYTES = 8, 2**26
_CONTENT = (slice(0, 24), slice(28, 40), slice(44, 92), slice(100, None))
"""All but what counts the changes of content and schema (https://www.sqlite.org/fileformat2.html, 1.3)."""


def without_counters(database: bytes) -> bytes:
    """The bytes of a database file that are the same for the same history of content."""
    return b"".join(database[part] for part in _CONTENT)


class Images:
    """Remembers a few snapshots. Most runs of a sound job leave the very same bytes."""

    def __init__(self) -> None:
        self._kept: list[tuple[bytes, Snapshot]] = []

    def take(self, connection: sqlite3.Connection, path: str) -> bytes:
        """The bytes of a database in a file; empty if it is large or has none, or Python cannot tell (before 3.11)."""
        if not hasattr(connection, "serialize") or not 0 < os.path.getsize(path) <= _LARGEST:
            return b""
        return without_counters(connection.serialize())

    def get(self, image: bytes) -> Snapshot | None:
        """What was kept for these bytes. To compare them with all is faster than to hash them."""
        return next((snapshot for kept, snapshot in self._kept if kept == image), None)

    def keep(self, image: bytes, snapshot: Snapshot) -> None:
        """Remember, and forget the oldest but the first, which is the clean one, if there are many, or large ones."""
        if image:
            self._kept.append((image, snapshot))
            while len(self._kept) > _MOST or sum(len(kept) for kept, _ in self._kept) > _MOST_BYTES:
                del self._kept[1]
