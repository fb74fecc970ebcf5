"""Statements: what the job sends on one connection of asyncpg's, each a step, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from jobchaos.core.pending import Pending
from jobchaos.core.ports import Worker
from jobchaos.probes.asyncpg_silence import Call, client_limit, endured, translated
from jobchaos.probes.asyncpg_waits import answered
from jobchaos.probes.psycopg_texts import shown
from jobchaos.probes.server_session import ServerSession
from jobchaos.probes.statement import first_word

_CLOSED = "connection was closed in the middle of operation"
_NOTHING_LEFT = "RESET ALL"


class Sessions(Protocol):
    """Who knows the sessions: the probe."""

    def session(self, connection: Any) -> tuple[Worker, ServerSession] | None:
        """See `ServerProbe.session`."""

    def hidden(self) -> AbstractContextManager[None]:
        """See `ServerProbe.hidden`."""


@dataclass(frozen=True, slots=True)
class Request:
    """One statement.

    Attributes:
        sql: Its text.
        calls: Its bound values, once for each time it runs.
        timeout: As the call has it: seconds, or None for the connection's.
        run: Has asyncpg send it, and returns what it returns.
        answer: What that means, for people.
        by_loop: Whether `run` waits for the job, too, and not only for the server.
    """

    sql: str
    calls: Sequence[tuple[Any, ...]]
    timeout: Any
    run: Call
    answer: Callable[[Any], str]
    by_loop: bool = False


class Statements:
    """Those of one connection.

    Args:
        genuine: asyncpg's own protocol.
        connection: Whose it is.
        line: Its transport, see `line_of`.
        sessions: Who knows the connection's session.
    """

    def __init__(self, genuine: Any, connection: Any, line: Any, sessions: Sessions) -> None:
        self.is_quiet = False
        """True while asyncpg asks on its own account."""
        self._genuine = genuine
        self._line = line
        self._connection: Callable[[], Any] = weakref.ref(connection)
        self._sessions = sessions
        self._is_broken = False

    @contextlib.contextmanager
    def heard_by_loop(self) -> Iterator[None]:
        """Meanwhile the event loop listens to the server; else it would wait in vain before it lets time pass."""
        self._line.resume_reading()
        try:
            yield
        finally:
            if not self._connection()._listeners:  # noqa: SLF001 - for what others may send at any time
                self._line.pause_reading()

    async def unseen(self, run: Call) -> Any:
        """Have something sent that is no step."""
        found = self._sessions.session(self._connection())
        return await (run() if found is None else self._sent(*found, run))

    async def step(self, request: Request) -> Any:
        """Let one statement through; return what asyncpg returns."""
        connection = self._connection()
        found = self._sessions.session(connection)
        if found is None or self.is_quiet:
            return await (request.run() if found is None else self._sent(*found, request.run))
        worker, session = found
        sql, run = request.sql, request.run
        if not session.holds_anything and sql == connection.get_reset_query():
            sql = _NOTHING_LEFT  # a pool says so each time that it takes a connection back
        session.limits.client = client_limit(connection, request.timeout)
        try:
            pending = self._arrive(worker, session, sql, request.calls)
            if pending is not None:
                sent = functools.partial(self._sent, worker, session)
                run = await endured(worker, session, pending, run, self._genuine.query, sent)
            return await self._taken(worker, session, sql, pending, request, run)
        except Exception:
            if self._line.is_closing():  # the loop tells asyncpg that it is lost in its next round
                await asyncio.sleep(0)
            raise

    async def _taken(
        self, worker: Worker, session: ServerSession, sql: str, pending: Pending | None, request: Request, run: Call
    ) -> Any:
        try:
            result = await (run() if request.by_loop else self._sent(worker, session, run))
        except Exception as error:
            told = translated(session, error)
            self._is_broken = self._is_open
            if pending is not None:
                pending.failed(told)
            session.applied(worker, sql, open=self._is_open)
            if told is error:
                raise
            raise told from None
        self._is_broken = False
        if first_word(sql) == "LISTEN":
            self._line.resume_reading()
        answer = request.answer(result)
        if pending is not None:
            pending.done(answer, changed=session.changed(answer))
        session.applied(worker, sql, open=self._is_open, answer=answer)
        return result

    def _arrive(
        self, worker: Worker, session: ServerSession, sql: str, calls: Sequence[tuple[Any, ...]]
    ) -> Pending | None:
        first, more = (calls[0] if calls else ()), len(calls) - 1
        return session.arrive(
            worker,
            sql,
            calls,
            shown(sql.rstrip("; \n"), first) + (f" and {more} more" if more > 0 else ""),
            open=self._is_open,
            broken=self._is_broken and self._is_open,
            failure=self._lost,
        )

    async def _sent(self, worker: Worker, session: ServerSession, run: Call) -> Any:
        if self._genuine._is_cancelling():  # noqa: SLF001 - over another connection, in a task of the loop's
            with self.heard_by_loop():
                await self._genuine._wait_for_cancellation()  # noqa: SLF001
        try:
            return await answered(run(), self._line, worker, session, self._sessions.hidden)
        except Exception:
            self._is_broken = self._is_open
            raise

    @property
    def _is_open(self) -> bool:
        """True if a transaction is open."""
        return bool(self._genuine.is_in_transaction())

    def _lost(self) -> Exception:
        """Break the connection, and make asyncpg's error of that."""
        from asyncpg import ConnectionDoesNotExistError

        self._line.abort()  # asyncpg's own `abort` would close the connection, as the job might
        return ConnectionDoesNotExistError(_CLOSED)  # type: ignore[no-any-return]
