"""How psycopg waits for answers while a check runs: with a look, from time to time, at why there is none yet."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from jobchaos.core.ports import Worker
from jobchaos.probes.enduring import endure
from jobchaos.probes.server_database import SOON
from jobchaos.probes.server_rounds import awaited
from jobchaos.probes.server_session import ServerSession
from jobchaos.probes.server_silence import Silence

_poll = select.poll
_WANTED = {1: select.POLLIN, 2: select.POLLOUT, 3: select.POLLIN | select.POLLOUT}  # psycopg.waiting.Wait
_READABLE, _WRITABLE = 1, 2  # psycopg.waiting.Ready

Find = Callable[[Any], "tuple[Worker, ServerSession] | None"]


def waiting(original: Callable[..., Any], find: Find) -> Callable[..., Any]:
    """`Connection.wait`, for controlled workers.

    Args:
        original: psycopg's own.
        find: Gives the controlled worker that uses a connection, and the session, if there is one.
    """

    def wait(connection: Any, gen: Any, *args: Any, **kwargs: Any) -> Any:
        found = find(connection)
        if found is None:
            return original(connection, gen, *args, **kwargs)
        worker, _ = found
        rounds = _rounds(gen, connection, *found)
        error: BaseException | None = None
        while True:
            try:
                waits = next(rounds) if error is None else rounds.throw(error)
            except StopIteration as end:
                return end.value
            error = None
            if isinstance(waits, Silence):
                try:
                    waits.endure(worker)
                except BaseException as caught:  # noqa: BLE001 - death: whoever waits for the answer meets it
                    error = caught

    return wait


def awaiting(original: Callable[..., Any], find: Find) -> Callable[..., Coroutine[Any, Any, Any]]:
    """`AsyncConnection.wait`, likewise; see `awaited`."""

    async def wait(connection: Any, gen: Any, *args: Any, **kwargs: Any) -> Any:
        found = find(connection)
        if found is None:
            return await original(connection, gen, *args, **kwargs)
        worker, session = found

        async def between(waits: bool | Silence) -> None:
            if isinstance(waits, Silence):
                await endure(waits.hang)
            elif waits:
                await session.served()
            elif session.is_idle:  # it was asked nothing: a notification is waited for
                await asyncio.sleep(0)

        return await awaited(_rounds(gen, connection, worker, session, alone=False), between)

    return wait


def _rounds(
    gen: Any, connection: Any, worker: Worker, session: ServerSession, *, alone: bool = True
) -> Generator[bool | Silence, None, Any]:
    """Run one of psycopg's generators to its end; come back from time to time while there is no answer.

    What comes back is whether another task of the same event loop has to go on first; or that there will be no answer.
    """
    poll = _poll()
    registered, patience = 0, session.patience
    number = connection.pgconn.socket  # before anything else, as psycopg does: of a lost connection nothing is begun
    try:
        wanted = next(gen)
        while True:
            if isinstance(wanted, Silence):
                try:
                    yield wanted
                except BaseException as error:  # noqa: BLE001 - whatever has ended the wait
                    wanted = gen.throw(error)
                else:
                    wanted = gen.send(None)
                continue
            events = _WANTED[int(wanted)]
            if events != registered:
                poll.register(number, events)
                registered = events
            ready = poll.poll(patience)
            if ready:
                happened = ready[0][1]
                readable = _READABLE if happened & ~select.POLLOUT else 0
                wanted = gen.send(readable | (_WRITABLE if happened & select.POLLOUT else 0))
            else:
                patience = SOON
                yield session.look_around(worker, alone=alone)
    except StopIteration as end:
        return end.value
    finally:
        session.answered()
