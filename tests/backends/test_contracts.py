"""Stores of servers fulfil the contract of stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fakeredis
import psycopg
import pytest
import redis

from jobchaos.conformance import StoreContract
from jobchaos.core.address import Address
from jobchaos.core.ports import Store
from jobchaos.stores.mysql import MySQLStore
from jobchaos.stores.postgres import PostgresStore
from jobchaos.stores.redis import RedisStore
from tests.backends.mysql import ACCESS, Database, mysql_databases

__all__ = ["mysql_databases"]


class TestPostgresStore(StoreContract):
    foreign = "sql:postgresql://127.0.0.1:5432/jobchaos_test_other"

    @pytest.fixture(autouse=True)
    def prepare(self, new_postgres: Callable[[str], str]) -> None:
        self.dsn = new_postgres("")
        self.execute("CREATE TABLE t (id serial PRIMARY KEY, n text)", "INSERT INTO t (n) VALUES ('old')")
        with psycopg.connect(self.dsn) as connection:
            info = connection.info
            self.resource = f"sql:postgresql://{info.host}:{info.port}/{info.dbname}"

    def execute(self, *statements: Any) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def make(self) -> Store:
        return PostgresStore(self.dsn)

    def change(self, store: Store, number: int) -> None:
        store.announce(f"{self.resource}/t")
        self.execute("TRUNCATE t", f"INSERT INTO t (id, n) VALUES ({number}, 'new {number}')")


class TestMySQLStore(StoreContract):
    foreign = "sql:mysql://127.0.0.1:3306/jobchaos_test_other"

    @pytest.fixture(autouse=True)
    def prepare(self, mysql_databases: tuple[Database, Database]) -> None:
        self.database, _ = mysql_databases
        self.database.reset(
            "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n TEXT)", "INSERT INTO t (n) VALUES ('old')"
        )
        self.resource = f"sql:mysql://{ACCESS['host']}:{ACCESS['port']}/{self.database.name}"

    def make(self) -> Store:
        return MySQLStore({**ACCESS, "database": self.database.name})

    def change(self, store: Store, number: int) -> None:
        store.announce(f"{self.resource}/t")
        self.database.run("DELETE FROM t", f"INSERT INTO t (id, n) VALUES ({number}, 'new {number}')")


class TestRedisStore(StoreContract):
    resource = "redis:fakeredis/0"
    foreign = "redis:fakeredis/1/key"

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.fake = fakeredis.FakeServer()
        self.client: redis.Redis = fakeredis.FakeRedis(server=self.fake)
        self.client.set("old", "value")

    def make(self) -> Store:
        return RedisStore(Address("redis:fakeredis/0", self.fake))

    def change(self, store: Store, number: int) -> None:
        store.announce("redis:fakeredis/0/old")
        store.announce("redis:fakeredis/0/list")
        self.client.delete("list", "old")
        self.client.rpush("list", *range(number))


class TestRedisStoreOnAServer(TestRedisStore):
    @pytest.fixture(autouse=True)
    def connect(self, prepare: None, jobchaos_redis: str) -> Any:
        with redis.Redis.from_url(f"{jobchaos_redis.rpartition('/')[0]}/1") as self.client:
            self.url = jobchaos_redis.rpartition("/")[0]
            self.server = f"redis:{jobchaos_redis.split('/')[2]}/1"
            self.resource, self.foreign = self.server, "redis:fakeredis/1/key"
            self.client.flushdb()
            self.client.set("old", "value")
            yield
            self.client.flushdb()

    def make(self) -> Store:
        return RedisStore(Address(self.server, self.url))

    def change(self, store: Store, number: int) -> None:
        store.announce(f"{self.server}/old")
        store.announce(f"{self.server}/list")
        self.client.delete("list", "old")
        self.client.rpush("list", *range(number))
