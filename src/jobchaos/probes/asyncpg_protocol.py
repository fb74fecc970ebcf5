"""AsyncpgProtocol: what stands between a connection of asyncpg's and its protocol.

asyncpg's protocol is written in C. All that a connection, a prepared statement, a cursor or a transaction wants of the
server it asks of its connection's `_protocol`.
"""

from __future__ import annotations

import functools
from typing import Any

from jobchaos.probes.asyncpg_silence import Call
from jobchaos.probes.asyncpg_statements import Request, Statements
from jobchaos.probes.asyncpg_texts import answer_of, plain


class AsyncpgProtocol:
    """In place of `Connection._protocol`. What it does not know here is the genuine one's.

    Args:
        genuine: asyncpg's own.
        statements: Makes steps of what is sent.
    """

    def __init__(self, genuine: Any, statements: Statements) -> None:
        self.genuine = genuine
        self.statements = statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self.genuine, name)

    async def query(self, query: str, timeout: Any) -> Any:
        """A simple query: one text, maybe of several statements; returns the last one's tag."""
        run = functools.partial(self.genuine.query, query, timeout)
        return await self.statements.step(Request(query, (), timeout, run, _tagged))

    async def bind_execute(
        self, state: Any, args: Any, portal_name: str, limit: int, return_extra: bool, timeout: Any
    ) -> Any:
        """A prepared statement, with values."""
        values = tuple(args)
        run = functools.partial(self.genuine.bind_execute, state, values, portal_name, limit, True, timeout)
        told = await self.statements.step(Request(state.query, (plain(values),), timeout, run, _returned))
        return told if return_extra else told[0]

    async def bind_execute_many(
        self, state: Any, args: Any, portal_name: str, timeout: Any, *further: Any, **options: Any
    ) -> Any:
        """A prepared statement with many sets of values, all or none of which count."""
        calls = [tuple(values) for values in args]
        run = functools.partial(self.genuine.bind_execute_many, state, calls, portal_name, timeout, *further, **options)
        return await self.statements.step(Request(state.query, list(map(plain, calls)), timeout, run, _untold))

    async def bind(self, state: Any, args: Any, portal_name: str, timeout: Any) -> Any:
        """A cursor begins."""
        values = tuple(args)
        run = functools.partial(self.genuine.bind, state, values, portal_name, timeout)
        return await self.statements.step(Request(state.query, (plain(values),), timeout, run, _untold))

    async def copy_in(self, copy_stmt: str, *args: Any, **kwargs: Any) -> Any:
        """COPY FROM STDIN; what is copied comes from the job, which may await it."""
        return await self._copied(copy_stmt, functools.partial(self.genuine.copy_in, copy_stmt, *args, **kwargs))

    async def copy_out(self, copy_stmt: str, *args: Any, **kwargs: Any) -> Any:
        """COPY TO STDOUT, likewise."""
        return await self._copied(copy_stmt, functools.partial(self.genuine.copy_out, copy_stmt, *args, **kwargs))

    async def prepare(self, *args: Any, **kwargs: Any) -> Any:
        """No step: nothing is done yet."""
        return await self.statements.unseen(functools.partial(self.genuine.prepare, *args, **kwargs))

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Rows of a cursor: what it reads was fixed when it began."""
        return await self.statements.unseen(functools.partial(self.genuine.execute, *args, **kwargs))

    async def close_portal(self, *args: Any, **kwargs: Any) -> Any:
        """No step: a cursor ends."""
        return await self.statements.unseen(functools.partial(self.genuine.close_portal, *args, **kwargs))

    async def close_statement(self, *args: Any, **kwargs: Any) -> Any:
        """No step: a prepared statement ends."""
        return await self.statements.unseen(functools.partial(self.genuine.close_statement, *args, **kwargs))

    async def close(self, timeout: Any) -> None:
        """No step: the connection ends."""
        with self.statements.heard_by_loop():
            await self.genuine.close(timeout)

    async def _copied(self, sql: str, run: Call) -> Any:
        async def copy() -> Any:
            with self.statements.heard_by_loop():
                return await run()

        return await self.statements.step(Request(sql, (), None, copy, _tagged, by_loop=True))


def _tagged(tag: Any) -> str:
    return answer_of((), tag or "")


def _returned(result: Any) -> str:
    records, tag, _ = result
    return answer_of(records or (), (tag or b"").decode())


def _untold(_result: Any) -> str:
    return ""
