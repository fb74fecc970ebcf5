"""How asyncpg waits for answers while a check runs: with a look, from time to time, at why there is none yet.

Its coroutines wait for a future that the event loop's transport settles when the server's answer has come. While the
loop waits, other tasks go on, and for how long is chance. So the loop stands still instead: the transport is read here.
"""

# ruff: noqa: SLF001 - asyncio's transports have no other seam

from __future__ import annotations

import asyncio
import contextlib
import select
from asyncio import selector_events
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.server_database import SOON
from jobchaos.probes.server_rounds import awaited
from jobchaos.probes.server_session import ServerSession

_poll = select.poll
_SelectorSocketTransport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]

Hidden = Callable[[], AbstractContextManager[None]]


async def answered(
    call: Coroutine[Any, Any, Any], transport: Any, worker: Worker, session: ServerSession, hidden: Hidden
) -> Any:
    """What one of the protocol's coroutines returns; see `awaited`.

    Args:
        call: The coroutine; it waits for nothing but the server.
        transport: What it is sent through, and answered: see `line_of`.
        worker: Who waits.
        session: The connection's.
        hidden: While it lasts, what goes over sockets is none of the job's doing.
    """

    async def between(waits: bool) -> None:
        if waits:
            await session.served()
        elif transport.is_closing():  # the loop tells of a lost connection in its next round
            await asyncio.sleep(0)

    return await awaited(_rounds(call, transport, worker, session, hidden), between)


def _rounds(
    call: Coroutine[Any, Any, Any], transport: Any, worker: Worker, session: ServerSession, hidden: Hidden
) -> Generator[bool, None, Any]:
    """Run a coroutine to its end; come back from time to time while there is no answer.

    What comes back is whether another task of the same event loop has to go on first.
    """
    poll, patience = _poll(), session.patience
    error: BaseException | None = None
    try:
        while True:
            with hidden():
                waiter = call.send(None) if error is None else call.throw(error)
            error = None
            while waiter is not None and not waiter.done() and error is None:
                happened = () if transport.is_closing() else _happened(poll, transport, patience)
                if happened:
                    with hidden():
                        _go_on(transport, happened[0][1])
                    continue
                patience = SOON
                try:
                    yield not transport.is_closing() and session.look_around(worker, alone=False)
                except asyncio.CancelledError:  # a task would cancel what it waits for, which asyncpg looks at
                    waiter.cancel()
                except BaseException as caught:  # noqa: BLE001 - death: whoever waits for the answer meets it
                    error = caught
            if waiter is not None:
                waiter._asyncio_future_blocking = False  # as a task does
    except StopIteration as end:
        return end.value
    finally:
        session.answered()


def _happened(poll: Any, transport: Any, patience: int) -> Any:
    writes = select.POLLOUT if transport.get_write_buffer_size() else 0
    poll.register(transport._sock_fd, select.POLLIN | writes)
    return poll.poll(patience)


def _go_on(transport: Any, happened: int) -> None:
    if happened & select.POLLOUT:
        transport._write_ready()
    if happened & ~select.POLLOUT:
        transport._read_ready()


def line_of(transport: Any) -> Any:
    """The transport that has the socket, below what encrypts; None if it is not one of asyncio's own."""
    line = getattr(getattr(transport, "_ssl_protocol", None), "_transport", transport)
    return line if isinstance(line, _SelectorSocketTransport) else None


def drop(transport: Any) -> None:
    """Close a connection without waiting for anything; there may be no event loop any more.

    Args:
        transport: See `line_of`.
    """
    with contextlib.suppress(RuntimeError):
        transport.abort()
    if transport._sock is not None and transport._loop.is_closed():
        transport._sock.close()
        transport._sock = None
