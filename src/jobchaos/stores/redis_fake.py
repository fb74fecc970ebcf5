"""FakeKeys: the keys of one database of fakeredis, which are objects in this process."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterable, Sequence
from typing import Any

from jobchaos.stores.redis_values import Rows, read

Held = tuple[Any, float | None]
"""A copy of the value, and the second of virtual time at which the key expires."""


class FakeKeys:
    """Reads and writes keys behind the back of the fake server.

    Not by its commands: they would delete what has expired, going by the real time of who calls them.

    Args:
        server: The `FakeServer`.
        db: The number of the database.
    """

    in_memory = True

    def __init__(self, server: Any, db: int) -> None:
        self._database = server.dbs[db]
        fakeredis = importlib.import_module("fakeredis")
        self._scratch = fakeredis.FakeServer(version=server.version, server_type=server.server_type)
        self._client = fakeredis.FakeRedis(server=self._scratch)
        self._db = db

    def require_usable(self) -> None:
        """It always is."""

    @property
    def where(self) -> str:
        """For people."""
        return f"fakeredis, database {self._db}"

    def folder(self) -> str:
        """It has none."""
        return ""

    def every(self) -> list[bytes]:
        """All keys."""
        return list(self._items)

    def anchor(self, keys: Sequence[bytes]) -> None:
        """Its clock is virtual already."""

    def release(self, keys: Sequence[bytes]) -> None:
        """Likewise."""

    def dump(self, keys: Sequence[bytes]) -> list[Held | None]:
        """What the keys hold; None for one that is not there."""
        found = (self._items.get(key) for key in keys)
        return [None if item is None else (copy.deepcopy(item.value), item.expireat) for item in found]

    def put(self, wanted: Iterable[tuple[bytes, Held | None]]) -> None:
        """Make keys hold this."""
        item_of = importlib.import_module("fakeredis._core._database").Item
        for key, held in wanted:
            if held is None:
                self._items.pop(key, None)
            else:
                item = item_of(copy.deepcopy(held[0]))
                item.expireat = held[1]
                self._database[key] = item

    def read(self, key: bytes, held: Held) -> Rows:
        """What a key holds, as rows."""
        item = copy.copy(self._items[key])
        item.value, item.expireat = copy.deepcopy(held[0]), None
        self._scratch.dbs[0][key] = item
        try:
            return read(self._client, key, repr(held[0]).encode())
        finally:
            del self._scratch.dbs[0][key]

    def close(self) -> None:
        """Nothing is open."""

    @property
    def _items(self) -> dict[bytes, Any]:
        items: dict[bytes, Any] = self._database._dict  # noqa: SLF001 - see above
        return items
