"""Looking: stores of servers for suites that run as they are. They read what is committed, and restore nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from jobchaos.core.address import Address
from jobchaos.core.snapshot import Row, Snapshot, Table
from jobchaos.stores.base import BaseStore
from jobchaos.stores.redis_fake import FakeKeys
from jobchaos.stores.redis_server import ServerKeys
from jobchaos.stores.redis_values import tables

_LARGEST = 10_000


class _Column(Protocol):
    def compared(self, since: str) -> str: ...


class _Laid(Protocol):
    @property
    def rows(self) -> str: ...
    @property
    def columns(self) -> Sequence[_Column]: ...
    @property
    def empty(self) -> Table: ...


class _Session(Protocol):
    def run(self, sql: str) -> Sequence[tuple[Any, ...]]: ...
    def close(self) -> None: ...


class ServerTables(BaseStore):
    """All tables of a PostgreSQL, MariaDB or MySQL database, read over a connection of our own.

    Args:
        address: The database, with the way to it.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(str(address).rpartition("/")[2])
        self._resource = str(address)
        self._access = address.access
        self._session: _Session | None = None
        self._tables: Mapping[str, _Laid] = {}
        self._since = ""

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource == self._resource or resource.startswith(f"{self._resource}/")

    def capture(self) -> None:
        """See `Store.capture`: it is never restored."""
        open_session = _postgres if self._resource.startswith("sql:postgresql:") else _mysql
        self._session, self._tables, self._since = open_session(self._access)

    def restore(self) -> None:
        """See `Store.restore`: left to the test's own fixtures."""

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return Snapshot({name: self._read(table) for name, table in self._tables.items()})

    def close(self) -> None:
        """See `Store.close`."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _read(self, table: _Laid) -> Table:
        assert self._session is not None  # noqa: S101 - tables are only known by one
        cells = ", ".join(column.compared(self._since) for column in table.columns) or "NULL"
        rows = self._session.run(f"SELECT {cells} FROM {table.rows} LIMIT {_LARGEST}")  # noqa: S608 - quoted
        return replace(table.empty, rows=tuple(tuple(map(_cell, row)) for row in rows))


Opened = tuple[_Session, Mapping[str, Any], str]
"""A session, the tables of its database, and the server's time."""


def _postgres(access: Any) -> Opened:
    from jobchaos.stores.postgres_layout import read_layout
    from jobchaos.stores.postgres_session import PostgresSession

    session = PostgresSession(access)
    session.prepare()
    now = session.run("SELECT clock_timestamp()::text")[0][0]
    return session, read_layout(session.run).tables, f"'{now}'::timestamptz"


def _mysql(access: Any) -> Opened:
    from jobchaos.stores.mysql_definitions import MySQLDefinitions
    from jobchaos.stores.mysql_driver import Session
    from jobchaos.stores.mysql_layout import read_layout

    session = Session(access)
    definitions = MySQLDefinitions(session.run, session.each, str(access["database"])).read()
    return session, read_layout(session.run, definitions), str(session.run("SELECT NOW(6)")[0][0])


class RedisKeys(BaseStore):
    """The keys of a Redis database that tasks have touched; others may be those of the queues.

    Args:
        address: The database or a key in it, with the way to the server.
    """

    def __init__(self, address: Address) -> None:
        server, db, *_ = address.split("/", 2)
        super().__init__("redis")
        self._resource = f"{server}/{db}"
        self._open: Callable[[], ServerKeys | FakeKeys] = lambda: (
            ServerKeys(address.access, int(db), {})
            if isinstance(address.access, str)
            else FakeKeys(address.access, int(db))
        )
        self._server: Any = None
        self._keys: dict[bytes, None] = {}

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource == self._resource or resource.startswith(f"{self._resource}/")

    def announce(self, resource: str) -> None:
        """See `Store.announce`."""
        name = resource[len(self._resource) + 1 :]
        if name and not name.startswith("@"):
            self._keys[unquote_to_bytes(name)] = None

    def capture(self) -> None:
        """See `Store.capture`: it is never restored."""
        self._server = self._open()

    def restore(self) -> None:
        """See `Store.restore`: left to the test's own fixtures."""

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        rows: dict[str, list[Row]] = {}
        keys = list(self._keys)
        for key, held in zip(keys, self._server.dump(keys), strict=True):
            if held is not None:
                for table, found in self._server.read(key, held).items():
                    rows.setdefault(table, []).extend(found)
        return Snapshot(tables(rows))

    def close(self) -> None:
        """See `Store.close`."""
        server, self._server = self._server, None
        if server is not None:
            server.close()


def _cell(value: Any) -> Any:
    if isinstance(value, memoryview):
        return bytes(value)
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)
