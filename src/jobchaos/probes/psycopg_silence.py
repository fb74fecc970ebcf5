"""A server that does not come to the end of a statement of psycopg's."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Generator
from typing import Any

from jobchaos.core.pending import Pending
from jobchaos.core.ports import Worker
from jobchaos.probes.psycopg_pipeline import answered, queued
from jobchaos.probes.server_session import ServerSession
from jobchaos.probes.server_silence import GIVE_UP

_ADVICE = 'statement_timeout, as in psycopg.connect(..., options="-c statement_timeout=...") in milliseconds'
_Gen = Generator[Any, Any, Any]


def endured(
    worker: Worker, session: ServerSession, pending: Pending, connection: Any, run: Callable[[], _Gen]
) -> Generator[Any, Any, Callable[[], _Gen]]:
    """Wait for as long as the schedule lets a statement hang; what is yielded is a `Silence`, to be endured.

    Args:
        worker: Who runs the statement.
        session: Its session.
        pending: Its step.
        connection: psycopg's.
        run: Runs it.

    Returns:
        What is to be run then: the statement, or what makes the server give it up.
    """
    silence = session.silence(worker, _ADVICE)
    if silence is None:
        return run
    try:
        yield silence
    except BaseException as error:
        pending.failed(error)
        if isinstance(error, asyncio.CancelledError):
            yield from _cancelled(connection)
        raise
    if silence.is_slow:
        return run
    session.give_up_for(silence)
    return functools.partial(_given_up, connection)


def _given_up(connection: Any) -> _Gen:
    """Have the server give up, and raise what psycopg makes of that."""
    from psycopg import errors, generators

    if queued(connection, GIVE_UP.split("; ")):
        yield from answered(connection, GIVE_UP)
    connection.pgconn.send_query(GIVE_UP.encode())
    results = yield from generators.execute(connection.pgconn)
    raise errors.error_from_result(results[-1], encoding=connection.info.encoding)


def _cancelled(connection: Any) -> _Gen:
    """A coroutine waits no longer: psycopg has the server cancel the statement."""
    from psycopg import errors

    try:
        yield from _given_up(connection)
    except errors.QueryCanceled:
        return
