"""Probes of drivers of servers fulfil the contract of probes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg
import fakeredis
import psycopg
import psycopg2
import psycopg_pool
import pymysql
import pytest
import redis
import redis.asyncio

from jobchaos.conformance import ProbeContract
from jobchaos.core.ports import Probe
from jobchaos.probes.asyncpg import AsyncpgProbe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.mysqlclient import MySQLClientProbe
from jobchaos.probes.psycopg import PsycopgProbe
from jobchaos.probes.psycopg2 import Psycopg2Probe
from jobchaos.probes.psycopg_pool import PsycopgPoolProbe
from jobchaos.probes.pymysql import PyMySQLProbe
from jobchaos.probes.redis import RedisProbe
from jobchaos.stores import postgres_driver
from tests.backends.conftest import Create
from tests.backends.mysql import Database, mysql_databases

__all__ = ["mysql_databases"]

_INSERT = "INSERT INTO t VALUES (1)"


class TestPsycopgProbe(ProbeContract):
    failures: tuple[type[Exception], ...] = (psycopg.OperationalError,)
    patched: Sequence[object] = (psycopg.Connection, psycopg.Cursor)

    @pytest.fixture(autouse=True)
    def prepare(self, new_postgres: Create) -> None:
        self.dsn = new_postgres("probed")
        with psycopg.connect(self.dsn) as db:
            db.execute("CREATE TABLE t (n int)")

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [PsycopgProbe()]

    def job(self) -> None:
        with psycopg.connect(self.dsn) as db:
            db.execute(_INSERT)

    def state(self) -> int:
        with psycopg.connect(self.dsn) as db:
            (count,) = db.execute("SELECT count(*) FROM t").fetchone() or (0,)
        return int(count)


class TestPsycopgProbeWithCoroutines(TestPsycopgProbe):
    patched = (psycopg.AsyncConnection, psycopg.AsyncCursor)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [PsycopgProbe()]

    def job(self) -> None:
        async def insert() -> None:
            async with await psycopg.AsyncConnection.connect(self.dsn) as db:
                await db.execute(_INSERT)

        asyncio.run(insert())


class TestAsyncpgProbe(TestPsycopgProbe):
    failures = (asyncpg.PostgresConnectionError,)
    patched = (asyncpg.Connection,)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [AsyncpgProbe(postgres_driver.connect)]

    def job(self) -> None:
        async def insert() -> None:
            parts = psycopg.conninfo.conninfo_to_dict(self.dsn)
            access = {name: parts.get(name) for name in ("host", "port", "user", "password")}
            db = await asyncpg.connect(**access, database=parts["dbname"])
            await db.execute(_INSERT)
            await db.close()

        asyncio.run(insert())


class TestPsycopgPoolProbe(TestPsycopgProbe):
    failures = (psycopg.OperationalError,)
    patched = (psycopg.Connection, psycopg.Cursor, psycopg_pool.ConnectionPool)

    @pytest.fixture(autouse=True)
    def pooled(self, prepare: None) -> Iterator[None]:
        with psycopg_pool.ConnectionPool(self.dsn, min_size=1) as self.pool:
            yield

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [PsycopgProbe(), PsycopgPoolProbe()]

    def job(self) -> None:
        with self.pool.connection() as db:
            db.execute(_INSERT)


class TestPsycopg2Probe(TestPsycopgProbe):
    failures = (psycopg2.OperationalError, psycopg2.InterfaceError)
    patched = (psycopg2, psycopg2.extensions)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [Psycopg2Probe(bindings)]

    def job(self) -> None:
        db = psycopg2.connect(self.dsn)
        try:
            with db, db.cursor() as cursor:
                cursor.execute(_INSERT)
        finally:
            db.close()


class TestPyMySQLProbe(ProbeContract):
    failures: tuple[type[Exception], ...] = (pymysql.err.OperationalError, pymysql.err.InterfaceError)
    patched: Sequence[object] = (pymysql.connections.Connection,)

    @pytest.fixture(autouse=True)
    def prepare(self, mysql_databases: tuple[Database, Database]) -> None:
        self.database, _ = mysql_databases
        self.database.reset("CREATE TABLE t (n INT)")

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [PyMySQLProbe()]

    def job(self) -> None:
        with self.database.connect() as db, db.cursor() as cursor:
            cursor.execute(_INSERT)
            db.commit()

    def state(self) -> int:
        return int(self.database.run("SELECT COUNT(*) FROM t")[0][0])


class TestMySQLClientProbe(TestPyMySQLProbe):
    @pytest.fixture(autouse=True)
    def prepare(self, mysql_databases: tuple[Database, Database]) -> None:
        self.database, _ = mysql_databases
        self.database.reset("CREATE TABLE t (n INT)")
        self.database.by_mysqlclient().close()
        import MySQLdb.connections

        self.failures = (MySQLdb.OperationalError,)
        self.patched = (MySQLdb.connections.Connection,)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [MySQLClientProbe()]

    def job(self) -> None:
        with self.database.by_mysqlclient() as db, db.cursor() as cursor:
            cursor.execute(_INSERT)
            db.commit()


class TestRedisProbe(ProbeContract):
    failures: tuple[type[Exception], ...] = (redis.ConnectionError,)
    patched: Sequence[object] = (redis.connection.AbstractConnection, redis.connection.Connection)

    @pytest.fixture(autouse=True)
    def prepare(self, jobchaos_redis: str) -> Iterator[None]:
        self.url = f"{jobchaos_redis.rpartition('/')[0]}/4"
        with redis.Redis.from_url(self.url) as self.client:
            self.client.flushdb()
            yield

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [RedisProbe()]

    def job(self) -> None:
        with redis.Redis.from_url(self.url, retry=None) as client:
            client.incr("count")

    def state(self) -> int:
        return int(self.client.get("count") or 0)


class TestRedisProbeWithTransactions(TestRedisProbe):
    def job(self) -> None:
        with redis.Redis.from_url(self.url, retry=None) as client, client.pipeline() as pipeline:
            pipeline.incr("count")
            pipeline.set("seen", 1)
            pipeline.execute()


class TestRedisProbeWithCoroutines(TestRedisProbe):
    patched = (redis.asyncio.connection.AbstractConnection, redis.asyncio.connection.Connection)

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        return [RedisProbe()]

    def job(self) -> None:
        async def count() -> None:
            async with redis.asyncio.Redis.from_url(self.url, retry=None) as client:
                await client.incr("count")

        asyncio.run(count())


class TestRedisProbeOfAFakeServer(TestRedisProbe):
    patched = (fakeredis.FakeConnection,)
    survives_forks = False

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.fake = fakeredis.FakeServer()
        self.client: Any = fakeredis.FakeRedis(server=self.fake)

    def job(self) -> None:
        fakeredis.FakeRedis(server=self.fake, retry=None).incr("count")
