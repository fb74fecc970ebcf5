"""Places: which server a connection leads to, and how a store can reach it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jobchaos.core.addresses import Addresses
from jobchaos.probes.redis_link import Link
from jobchaos.probes.redis_unit import Unit

_HERE = ("localhost", "::1", "[::1]")
_TLS = ("keyfile", "certfile", "cert_reqs", "ca_certs", "ca_data", "ca_path", "check_hostname")


class Places:
    """Makes links, and enters the servers' addresses.

    Args:
        addresses: Where stores look for them.
    """

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._fakes: list[Any] = []

    def link(self, connection: Any) -> Link:
        """A link for a connection that was not seen before."""
        fake = getattr(connection, "_server", None)
        if fake is not None:
            return Link(self._fake(fake), int(connection.db or 0), in_memory=True)
        path = getattr(connection, "path", None)
        if path is not None:
            server = f"redis:unix:{quote(str(path), safe='')}"
            options = {"path": str(path)}
        else:
            host = "127.0.0.1" if connection.host in _HERE else connection.host
            server = f"redis:{host}:{connection.port}"
            options = {"host": connection.host, "port": connection.port}
        self._addresses.learn(server, {**options, **_credentials(connection), **_tls(connection)})
        return Link(server, int(connection.db or 0), in_memory=False)

    def lefts(self, link: Link, unit: Unit) -> Mapping[str, int]:
        """Milliseconds that keys on a fake server have left; -1 if they do not expire, -2 if there is none."""
        database = self._addresses.of(link.server)["fake"].dbs[link.db]
        return {path: _left(database.get(key)) for key, path in zip(unit.keys, unit.paths, strict=True)}

    def _fake(self, server: Any) -> str:
        if server not in self._fakes:
            self._fakes.append(server)
        number = self._fakes.index(server) + 1
        path = "redis:fakeredis" if number == 1 else f"redis:fakeredis{number}"
        self._addresses.learn(path, {"fake": server}, is_local=True)
        return path


def _left(item: Any) -> int:
    if item is None:
        return -2
    return -1 if item.expireat is None else max(1, round((item.expireat - time.time()) * 1000))


def _credentials(connection: Any) -> dict[str, Any]:
    provider = getattr(connection, "credential_provider", None)
    if provider is None:
        return {"username": connection.username, "password": connection.password}
    given = provider.get_credentials()
    return {"username": given[0], "password": given[1]} if len(given) > 1 else {"password": given[0]}


def _tls(connection: Any) -> dict[str, Any]:
    if "SSL" not in type(connection).__name__:
        return {}
    source = getattr(connection, "ssl_context", None) or connection  # where an asyncio client keeps them
    options = {f"ssl_{name}": getattr(source, name) for name in _TLS if getattr(source, name, None) is not None}
    return {"ssl": True, **options}
