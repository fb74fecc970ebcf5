"""Which databases of which Redis servers may be restored without asking."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import unquote, urlsplit

from jobchaos.errors import UnsafeRestoreError
from jobchaos.stores.safety import require_test_path

_HERE = ("localhost", "::1")
_PORT = 6379


class Server(Protocol):
    """A server that can be asked."""

    @property
    def where(self) -> str:
        """Host, port and database, for people."""

    def folder(self) -> str:
        """Where it keeps its data; empty if it does not say."""


def require_test_server(name: str, db: str, server: Server, allow: Sequence[str]) -> None:
    """Refuse a database that is neither allowed nor on a server that is plainly there for tests.

    Plainly for tests is a server on this machine that keeps its data in a directory for temporary files, or in one with
    the word `test` in its name: `jobchaos.servers.redis()` starts such a one. The number of a database says nothing:
    a worker's queue and a session cache have numbers, too.

    Args:
        name: Host and port, or `unix:` and a path, as in resource paths.
        db: The number of the database.
        server: The server; only asked if that is needed.
        allow: URLs of allowed databases and servers.

    Raises:
        UnsafeRestoreError: Otherwise. Nothing was changed.
    """
    if any((name, db) == place or (name, "") == place for place in map(_place, allow)):
        return
    if name.startswith(("127.", "unix:")):
        folder = server.folder()
        if folder and os.path.isdir(folder) and _is_for_tests(folder):
            return
    url = _url(name, db)
    raise UnsafeRestoreError(
        f"{server.where}, is not plainly a test resource. A check changes its keys many times and puts back what was "
        "there before, and nobody else may use it meanwhile. Use the fixture jobchaos_redis, fakeredis, or a server "
        f"whose data directory is a temporary one, or allow this database: @pytest.mark.jobchaos(allow=[{url!r}])."
    )


def _is_for_tests(folder: str) -> bool:
    try:
        require_test_path(folder, ())
    except UnsafeRestoreError:
        return False
    return True


def _place(url: str) -> tuple[str, str]:
    """Host and port, and the number of the database if there is one."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("redis", "rediss", "valkey", "valkeys"):
            host = parts.hostname or "127.0.0.1"
            host = "127.0.0.1" if host in _HERE else host
            return f"{host}:{parts.port or _PORT}", parts.path.strip("/")
        if parts.scheme == "unix":
            return f"unix:{parts.path.replace('/', '%2F')}", parts.query.removeprefix("db=")
    except ValueError:  # something else that is allowed
        pass
    return "", ""


def _url(name: str, db: str) -> str:
    return f"unix://{unquote(name[5:])}?db={db}" if name.startswith("unix:") else f"redis://{name}/{db}"
