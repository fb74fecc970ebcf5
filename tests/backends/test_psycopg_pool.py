"""psycopg's pools: each worker has its own, as if it were a process; no thread of a pool decides a verdict."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.backends.conftest import Create

_FAULTS = ("duplicate", "concurrent", "crash", "retry")
_PAY = "INSERT INTO payments VALUES (1) ON CONFLICT DO NOTHING"
_TAKE = "UPDATE accounts SET balance = balance - 10"


@pytest.fixture(scope="module")
def dsn(new_postgres: Create) -> str:
    return new_postgres("")


def reset(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS accounts, payments")
        connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, balance int)")
        connection.execute("CREATE TABLE payments (id int PRIMARY KEY)")
        connection.execute("INSERT INTO accounts VALUES (1, 100)")


Connect = Callable[[], contextlib.AbstractContextManager[Any]]


@contextlib.contextmanager
def opened_before(dsn: str) -> Iterator[Connect]:
    with ConnectionPool(dsn, min_size=2, max_size=3) as pool:
        yield pool.connection


@contextlib.contextmanager
def made_when_needed(dsn: str) -> Iterator[Connect]:
    @functools.cache
    def pool() -> ConnectionPool[Any]:
        return ConnectionPool(dsn, min_size=1, open=True)

    yield lambda: pool().connection()
    pool().close()


@contextlib.contextmanager
def opened_by_the_job(dsn: str) -> Iterator[Connect]:
    pool = ConnectionPool(dsn, min_size=1, open=False)

    def connect() -> contextlib.AbstractContextManager[Any]:
        pool.open(wait=True)
        return pool.connection()

    yield connect
    assert pool.closed, "it was closed when the check began"


@contextlib.contextmanager
def made_by_the_job(dsn: str) -> Iterator[Connect]:
    @contextlib.contextmanager
    def connect() -> Iterator[Any]:
        with ConnectionPool(dsn, min_size=1) as pool, pool.connection() as connection:
            yield connection

    yield connect


@pytest.mark.parametrize("pooled", [opened_before, made_when_needed, opened_by_the_job, made_by_the_job])
def test_verdicts_are_those_without_a_pool(
    dsn: str, pooled: Callable[[str], contextlib.AbstractContextManager[Connect]]
) -> None:
    threads = threading.active_count()
    with pooled(dsn) as connect:

        def in_one() -> None:
            with connect() as connection:
                if connection.execute(_PAY).rowcount:
                    connection.execute(_TAKE)

        def in_two() -> None:
            with connect() as connection:
                is_new = connection.execute(_PAY).rowcount
            with connect() as connection:
                if is_new:
                    connection.execute(_TAKE)

        settings = Settings(profile="full", preemptions=1)
        reset(dsn)
        assert check(in_one, faults=_FAULTS, settings=settings).status == "holds"
        reset(dsn)
        verdict = check(in_two, faults=_FAULTS, settings=settings)
        assert [finding.code for finding in verdict.findings] == ["JC303", "JC503"]
    assert threading.active_count() == threads


def test_a_pool_that_the_job_has_made_is_the_tests_afterwards(dsn: str) -> None:
    @functools.cache
    def pool() -> ConnectionPool[Any]:
        return ConnectionPool(dsn, min_size=1, open=True)

    def job() -> None:
        with pool().connection() as connection:
            connection.execute(_PAY)

    reset(dsn)
    assert check(job, faults=_FAULTS).status == "holds"
    with pool() as mine, mine.connection() as connection:
        assert connection.execute("SELECT count(*) FROM payments").fetchone() == (1,)


def test_a_pool_is_as_small_as_it_is(dsn: str) -> None:
    reset(dsn)
    with ConnectionPool(dsn, min_size=1, max_size=1) as pool:

        def job() -> None:
            with pool.connection() as connection:
                connection.execute(_PAY)
                with pytest.raises(PoolTimeout), pool.connection(timeout=5):
                    pass

        assert check(job, faults=_FAULTS).status == "holds"


async def by_the_job(pool: AsyncConnectionPool[Any]) -> None:
    await pool.open()


async def by_nobody(pool: AsyncConnectionPool[Any]) -> None:
    """It is open already."""


@pytest.mark.parametrize("opened", [by_the_job, by_nobody])
def test_pools_for_coroutines(dsn: str, opened: Callable[[AsyncConnectionPool[Any]], Awaitable[None]]) -> None:
    @contextlib.asynccontextmanager
    async def connected() -> AsyncIterator[Any]:
        await opened(pool)
        async with pool.connection() as connection:
            yield connection

    async def in_one() -> None:
        async with connected() as connection:
            if (await connection.execute(_PAY)).rowcount:
                await connection.execute(_TAKE)

    async def in_two() -> None:
        async with connected() as connection:
            is_new = (await connection.execute(_PAY)).rowcount
        async with connected() as connection:
            if is_new:
                await connection.execute(_TAKE)

    settings = Settings(profile="full", preemptions=1)
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(dsn, min_size=1, max_size=2, open=False)
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        if opened is by_nobody:
            loop.run_until_complete(pool.open())
        reset(dsn)
        assert check(in_one, faults=_FAULTS, settings=settings).status == "holds"
        reset(dsn)
        tasks = Settings(profile="full", preemptions=1, granularity="await", budget=20)
        assert [finding.code for finding in check(in_one, faults=["concurrent"], settings=tasks).findings] == ["JC907"]
        reset(dsn)
        verdict = check(in_two, faults=_FAULTS, settings=settings)
        assert [finding.code for finding in verdict.findings] == ["JC303", "JC503"]
        loop.run_until_complete(pool.close())
