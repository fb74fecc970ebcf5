"""Places: which server a connection leads to, and how a store can reach it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from jobchaos.probes.redis_link import Link
from jobchaos.probes.redis_unit import Unit

_HERE = ("localhost", "::1", "[::1]")
_TLS = ("keyfile", "certfile", "cert_reqs", "ca_certs", "ca_data", "ca_path", "check_hostname")


class Places:
    """Makes links. Fake servers are numbered, as nothing else tells them apart from run to run."""

    def __init__(self) -> None:
        self._fakes: list[Any] = []
        self._home = os.getpid()

    def link(self, connection: Any) -> Link:
        """A link for a connection that was not seen before."""
        db = int(connection.db or 0)
        fake = getattr(connection, "_server", None)
        if fake is not None:
            return Link(self._fake(fake), fake, db, self._home)
        path = getattr(connection, "path", None)
        if path is not None:
            return Link(f"redis:unix:{quote(str(path), safe='')}", _url(connection, str(path)), db, self._home)
        host = "127.0.0.1" if connection.host in _HERE else connection.host
        return Link(f"redis:{host}:{connection.port}", _url(connection, ""), db, self._home)

    def _fake(self, server: Any) -> str:
        if server not in self._fakes:
            self._fakes.append(server)
        number = self._fakes.index(server) + 1
        return "redis:fakeredis" if number == 1 else f"redis:fakeredis{number}"


def lefts(link: Link, unit: Unit) -> Mapping[str, int]:
    """Milliseconds that keys on a fake server have left; -1 if they do not expire, -2 if there is none."""
    database = link.access.dbs[link.db]
    return {path: _left(database.get(key)) for key, path in zip(unit.keys, unit.paths, strict=True)}


def _left(item: Any) -> int:
    if item is None:
        return -2
    return -1 if item.expireat is None else max(1, round((item.expireat - time.time()) * 1000))


def _url(connection: Any, path: str) -> str:
    """What the client library itself reads as the way to the server."""
    name, password = _credentials(connection)
    login = f"{quote(name or '', safe='')}:{quote(password, safe='')}@" if password else ""
    if path:
        return f"unix://{login}{quote(path)}"
    options = _tls(connection)
    scheme = "rediss" if options is not None else "redis"
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    return f"{scheme}://{login}{host}:{connection.port}?{urlencode(options or {})}"


def _credentials(connection: Any) -> tuple[str | None, str | None]:
    provider = getattr(connection, "credential_provider", None)
    if provider is None:
        return connection.username, connection.password
    given = provider.get_credentials()
    return (given[0], given[1]) if len(given) > 1 else (None, given[0])


def _tls(connection: Any) -> dict[str, Any] | None:
    if "SSL" not in type(connection).__name__:
        return None
    source = getattr(connection, "ssl_context", None) or connection  # where an asyncio client keeps them
    return {f"ssl_{name}": getattr(source, name) for name in _TLS if getattr(source, name, None) is not None}
