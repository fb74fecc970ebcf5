"""RedisStore: one database of a Redis or Valkey server, or of fakeredis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from jobchaos.core.address import Address
from jobchaos.core.snapshot import Row, Snapshot
from jobchaos.stores.base import BaseStore
from jobchaos.stores.redis_fake import FakeKeys
from jobchaos.stores.redis_safety import require_test_server
from jobchaos.stores.redis_server import ServerKeys
from jobchaos.stores.redis_values import EXPIRING, REMOVED, Rows, cell, tables

_REMEMBERED, _SNAPSHOTS = 4096, 64


class Keys(Protocol):
    """The keys of one database, on a server or in this process."""

    in_memory: bool

    @property
    def where(self) -> str: ...
    def require_usable(self) -> None: ...
    def folder(self) -> str: ...
    def every(self) -> list[bytes]: ...
    def anchor(self, keys: Sequence[bytes]) -> None: ...
    def release(self, keys: Sequence[bytes]) -> None: ...
    def dump(self, keys: Sequence[bytes]) -> list[Any]: ...
    def put(self, wanted: Iterable[tuple[bytes, Any]]) -> None: ...
    def read(self, key: bytes, held: Any) -> Rows: ...
    def close(self) -> None: ...


class RedisStore(BaseStore):
    """Each key is captured just before its first touch, so that a check costs what the job uses, not what is there.

    The state is told as what differs from the captured one, as for files: a key that is as it was before is no part
    of it, whenever it was captured.

    Args:
        address: Resource path of the database, `redis:127.0.0.1:6379/0`, with the URL of the server, or a `FakeServer`.
        allow: URLs of databases (`redis://localhost:6379/5`) and servers that may be changed although they are not
            plainly test resources.
    """

    def __init__(self, address: Address, allow: Sequence[str] = ()) -> None:
        server, _, db = address.rpartition("/")
        super().__init__(f"redis/{db}")
        self._resource = str(address)
        self._allow = tuple(allow)
        is_url = isinstance(address.access, str)
        self._initial: dict[bytes, Any] = {}
        self._keys: Keys = (
            ServerKeys(address.access, int(db), self._initial) if is_url else FakeKeys(address.access, int(db))
        )
        self._server = server.removeprefix("redis:")
        self._before: dict[bytes, Rows] = {}
        self._all = False
        self._snapshots: dict[tuple[tuple[bytes, Any], ...], Snapshot] = {}
        self._rows: dict[tuple[bytes, Any], Rows] = {}
        self.in_memory = self._keys.in_memory
        """True if only this process can reach the database."""

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource == self._resource or resource.startswith(f"{self._resource}/")

    def capture(self) -> None:
        """See `Store.capture`: nothing has been touched yet.

        Raises:
            UnsafeRestoreError: If the database is not plainly a test resource.
            UsageError: If it cannot be restored.
        """
        if not self.in_memory:
            require_test_server(self._server, self._resource.rpartition("/")[2], self._keys, self._allow)
        self._keys.require_usable()

    def announce(self, resource: str) -> None:
        """See `Store.announce`."""
        if resource == self._resource:
            self._all = True
            self._remember(self._keys.every())
        else:
            name = resource[len(self._resource) + 1 :]
            if not name.startswith("@"):
                self._remember([unquote_to_bytes(name)])

    def restore(self) -> None:
        """See `Store.restore`."""
        self.put_back({})

    def hold(self) -> dict[bytes, Any]:
        """See `Returnable.hold`."""
        present = self._present()
        return dict(zip(present, self._keys.dump(present), strict=True))

    def put_back(self, held: dict[bytes, Any]) -> None:
        """See `Returnable.put_back`: what was not yet known then was as it is captured."""
        wanted = dict.fromkeys(self._present()) | self._initial | held
        self._keys.put(wanted.items())

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        present = self._present()
        state = tuple(zip(present, self._keys.dump(present), strict=True))
        if not all(now is None or isinstance(now[0], bytes) for _, now in state):  # a fake's, which change in place
            return self._snapshot(state)
        known = self._snapshots.get(state)
        if known is None:
            if len(self._snapshots) >= _SNAPSHOTS:
                self._snapshots.clear()
            known = self._snapshots[state] = self._snapshot(state)
        return known

    def close(self) -> None:
        """See `Store.close`."""
        try:
            self._keys.release(list(self._initial))
        finally:
            self._keys.close()

    def _snapshot(self, state: Iterable[tuple[bytes, Any]]) -> Snapshot:
        rows: dict[str, list[Row]] = {}
        for key, now in state:
            before = self._initial.get(key)
            if now is None:
                if before is not None:
                    rows.setdefault(REMOVED, []).append((cell(key),))
                continue
            told = {} if now == before else self._told(key, now)
            if told != self._before.get(key):
                for table, found in told.items():
                    rows.setdefault(table, []).extend(found)
        return Snapshot(tables(rows))

    def _remember(self, keys: Sequence[bytes]) -> None:
        new = [key for key in keys if key not in self._initial]
        if new:
            self._snapshots.clear()  # they were told by what was known of the beginning
        self._keys.anchor(new)
        for key, held in zip(new, self._keys.dump(new), strict=True):
            self._initial[key] = held
            if held is not None:
                self._before[key] = self._told(key, held)

    def _present(self) -> list[bytes]:
        """All keys that may differ from what they were."""
        return list(dict.fromkeys((*self._initial, *(self._keys.every() if self._all else ()))))

    def _told(self, key: bytes, held: Any) -> Rows:
        """What a key holds now."""
        value, expires = held
        known = (key, value) if isinstance(value, bytes) else None
        rows = self._rows.get(known) if known else None
        if rows is None:
            rows = self._keys.read(key, held)
            if known and len(self._rows) < _REMEMBERED:
                self._rows[known] = rows
        return {**rows, EXPIRING: [(cell(key),)]} if expires not in (None, -1) else rows
