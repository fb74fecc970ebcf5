"""Connecting to PostgreSQL, when nobody answers: libpq waits in C, for `connect_timeout`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Worker
from jobchaos.core.schedule import Fault
from jobchaos.probes.enduring import endure
from jobchaos.probes.server_silence import server

Parameters = Mapping[str, Any]
Find = Callable[[], "Worker | None"]
_LIBPQ_TAKES_ONE_SECOND = 170000
"""Before, one second was two: https://www.postgresql.org/docs/17/release-17.html"""


class Connecting:
    """psycopg's generator that connects, and where to."""

    def __init__(self, steps: Any, conninfo: str) -> None:
        self._steps = steps
        self.conninfo = conninfo

    def __iter__(self) -> Connecting:
        return self

    def __next__(self) -> Any:
        return next(self._steps)

    def send(self, value: Any) -> Any:
        """See `generator.send`."""
        return self._steps.send(value)


def waiting_to_connect(original: Callable[..., Any], find: Find) -> Callable[..., Any]:
    """`psycopg.waiting.wait_conn`, for controlled workers.

    Args:
        original: psycopg's own.
        find: Gives the controlled worker of the calling thread.
    """

    def wait_conn(steps: Any, *args: Any, **kwargs: Any) -> Any:
        worker = find()
        if worker is not None and isinstance(steps, Connecting):
            hang = _psycopg_hang(steps.conninfo)
            _endure(worker, worker.ask(lambda: hang), hang)
        return original(steps, *args, **kwargs)

    return wait_conn


def awaiting_to_connect(original: Callable[..., Any], find: Find) -> Callable[..., Coroutine[Any, Any, Any]]:
    """`psycopg.waiting.wait_conn_async`, likewise: the job's own timers may come first."""

    async def wait_conn_async(steps: Any, *args: Any, **kwargs: Any) -> Any:
        worker = find()
        if worker is not None and isinstance(steps, Connecting):
            hang = _psycopg_hang(steps.conninfo)
            fault = worker.ask(lambda: hang)
            if fault is not None:
                await endure(dataclasses.replace(hang, failure=None) if fault is Fault.SLOW else hang)
        return await original(steps, *args, **kwargs)

    return wait_conn_async


def connect_by_psycopg2(worker: Worker, dsn: Any, options: Parameters) -> None:
    """Before psycopg2 connects: let the time pass for which nobody answers, if so.

    Args:
        worker: Who connects.
        dsn: As for `psycopg2.connect`.
        options: Likewise.
    """
    hang = _psycopg2_hang(dsn, options)
    _endure(worker, worker.ask(lambda: hang), hang)


def _endure(worker: Worker, fault: Fault | None, hang: Hang) -> None:
    if fault is Fault.SLOW:
        worker.linger(hang)
    elif fault is not None:
        worker.time_out(hang)


def _psycopg_hang(conninfo: str) -> Hang:
    from psycopg import errors
    from psycopg.conninfo import conninfo_to_dict, timeout_from_conninfo

    parameters = conninfo_to_dict(conninfo)
    return Hang(
        _far(parameters),
        timeout_from_conninfo(parameters),
        lambda: errors.ConnectionTimeout("connection timeout expired"),
        "psycopg.connect(..., connect_timeout=...)",
        "connection",
    )


def _psycopg2_hang(dsn: Any, options: Parameters) -> Hang:
    from psycopg2 import OperationalError, extensions

    parameters = extensions.parse_dsn(extensions.make_dsn(dsn, **options))
    seconds = int(parameters.get("connect_timeout") or os.environ.get("PGCONNECT_TIMEOUT") or 0)
    if seconds == 1 and extensions.libpq_version() < _LIBPQ_TAKES_ONE_SECOND:
        seconds = 2
    return Hang(
        _far(parameters),
        seconds if seconds > 0 else None,
        lambda: OperationalError(f"connection to server {_named(parameters)} failed: timeout expired\n"),
        "psycopg2.connect(..., connect_timeout=...)",
        "connection",
    )


def _host(parameters: Parameters) -> str:
    return str(parameters.get("host") or os.environ.get("PGHOST") or "/var/run/postgresql")


def _port(parameters: Parameters) -> str:
    return str(parameters.get("port") or os.environ.get("PGPORT") or 5432)


def _far(parameters: Parameters) -> str:
    return server(_host(parameters), _port(parameters))


def _named(parameters: Parameters) -> str:
    """The server, as libpq names it: https://github.com/postgres/postgres, `emitHostIdentityInfo` in fe-connect.c."""
    host, port = _host(parameters), _port(parameters)
    if host.startswith("/"):
        return f'on socket "{host}/.s.PGSQL.{port}"'
    address = str(parameters.get("hostaddr") or "")
    if not address:
        with contextlib.suppress(OSError):
            address = str(socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][4][0])
    return f'at "{host}"{f" ({address})" if address and address != host else ""}, port {port}'
