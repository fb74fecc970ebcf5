"""psycopg's connections from before the check, between two workers: see `EarlierConnections`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobchaos.probes.base import Patches

_OK = 0  # psycopg.pq.ConnStatus
_ACTIVE = 1  # psycopg.pq.TransactionStatus
_left: list[Any] = []
"""Lines to the server that belong to the process that this one was forked from: to close one would end it there."""


def watch_use(
    patches: Patches, opened: Callable[[Any], None], prepared: Callable[[Any, Callable[[], bool]], None]
) -> None:
    """Tell when a connection is opened, and when somebody is about to use one.

    Args:
        patches: Where the replacements are kept.
        opened: Takes the connection.
        prepared: Takes the connection, and whether a thread is in the middle of something with it: another one would
            wait for that in earnest.
    """
    import psycopg
    from psycopg._connection_base import BaseConnection
    from psycopg.transaction import BaseTransaction

    def made(connection: Any, *args: Any, **kwargs: Any) -> None:
        genuine(connection, *args, **kwargs)
        opened(connection)

    def checked(connection: Any) -> None:
        prepared(connection, lambda: isinstance(connection, psycopg.Connection) and connection.lock.locked())
        original(connection)

    def began(transaction: Any, connection: Any, *args: Any, **kwargs: Any) -> None:
        checked(connection)
        begin(transaction, connection, *args, **kwargs)

    begin = patches.set(BaseTransaction, "__init__", began)
    genuine = patches.set(BaseConnection, "__init__", made)
    original = patches.set(BaseConnection, "_check_connection_ok", checked)


def cleaned(connection: Any) -> bool:
    """Undo what a worker has left in its session; False if that cannot be done. What was set for it stays so."""
    import psycopg
    from psycopg.waiting import wait

    if _is_broken(connection) or connection.pgconn.transaction_status == _ACTIVE:
        return False
    connection._num_transactions = 0  # noqa: SLF001 - of blocks that the worker has died in
    try:
        for command in (b"ROLLBACK", b"SELECT pg_advisory_unlock_all()"):
            wait(connection._exec_command(command), connection.pgconn.socket)  # noqa: SLF001
    except psycopg.Error:
        return False
    return True


def renew(connection: Any, conninfo: Callable[[], str], *, is_ours: bool) -> bool:
    """Give it another line to the server, if its own is broken or belongs to another process.

    Args:
        connection: One that a worker has used, or is about to use.
        conninfo: Tells how to get there.
        is_ours: Whether its present line belongs to this process.

    Returns:
        Whether that was done. If the server cannot be reached, it stays as it is.
    """
    import psycopg

    if is_ours and not _is_broken(connection):
        return False
    try:
        other = psycopg.connect(conninfo(), application_name="jobchaos")
    except psycopg.Error:
        return False
    connection.pgconn, other.pgconn = other.pgconn, connection.pgconn
    connection._prepared, other._prepared = other._prepared, connection._prepared  # noqa: SLF001
    connection._num_transactions = 0  # noqa: SLF001
    if is_ours:
        other.close()
    else:
        _left.append(other)
    return True


def _is_broken(connection: Any) -> bool:
    return bool(connection.pgconn.status != _OK)
