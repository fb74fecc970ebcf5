"""A server that does not come to the end of a statement of asyncpg's, and what asyncpg raises then."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine
from typing import Any

from jobchaos.core.pending import Pending
from jobchaos.core.ports import Worker
from jobchaos.probes.enduring import endure
from jobchaos.probes.server_session import ServerSession
from jobchaos.probes.server_silence import GIVE_UP

Call = Callable[[], Coroutine[Any, Any, Any]]

_ADVICE = "asyncpg.connect(..., command_timeout=...), or timeout=... of the call"
_CLIENT = "the client's timeout"
_FOREVER = 86_400.0  # seconds


def client_limit(connection: Any, timeout: Any) -> int:
    """Milliseconds after which asyncpg gives up a statement; 0 if it does not.

    Args:
        connection: Which one it is sent on.
        timeout: Seconds, as the call has them; None for those of the connection.
    """
    seconds = connection._config.command_timeout if timeout is None else timeout  # noqa: SLF001 - nothing public tells
    with contextlib.suppress(TypeError, ValueError):  # None; and what is no number, asyncpg itself refuses
        return max(1, round(float(seconds) * 1000))
    return 0


async def endured(
    worker: Worker,
    session: ServerSession,
    pending: Pending,
    run: Call,
    query: Callable[..., Coroutine[Any, Any, Any]],
    sent: Callable[[Call], Coroutine[Any, Any, Any]],
) -> Call:
    """Wait for as long as the schedule lets a statement hang.

    Args:
        worker: Who runs the statement.
        session: Its session.
        pending: Its step.
        run: Runs it.
        query: asyncpg's own simple query.
        sent: Sends what a call sends, and waits for the answer.

    Returns:
        What is to be run then: the statement, or what makes the server give it up.
    """
    silence = session.silence(worker, _ADVICE)
    if silence is None:
        return run
    given_up = functools.partial(query, GIVE_UP, _FOREVER)
    try:
        await endure(silence.hang)
    except BaseException as error:
        pending.failed(error)
        if isinstance(error, asyncio.CancelledError):
            await _cancelled(sent(given_up))
        raise
    if silence.is_slow:
        return run
    session.give_up_for(silence)
    if silence.why == "statement timeout" and session.limits.client_is_first:
        session.gave_up = _CLIENT
    return given_up


def translated(session: ServerSession, error: Exception) -> Exception:
    """What the server would have said itself, had it waited in earnest; or what asyncpg does if it waits no longer."""
    from asyncpg import exceptions

    why, session.gave_up = session.gave_up, ""
    if not why or not isinstance(error, exceptions.QueryCanceledError):
        return error
    if why == _CLIENT or (why == "statement timeout" and session.limits.client_is_first):
        return asyncio.TimeoutError()
    if why == "deadlock":
        return exceptions.DeadlockDetectedError("deadlock detected")  # type: ignore[no-any-return]
    kind: type[Exception] = exceptions.LockNotAvailableError if why == "lock timeout" else exceptions.QueryCanceledError
    return kind(f"canceling statement due to {why}")


async def _cancelled(giving_up: Coroutine[Any, Any, Any]) -> None:
    """A coroutine waits no longer: asyncpg has the server cancel the statement."""
    from asyncpg import QueryCanceledError

    with contextlib.suppress(QueryCanceledError):
        await giving_up
