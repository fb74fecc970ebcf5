"""What stands between a job and its server, or is no single server: poolers, clusters, sentinels."""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import redis
import redis.sentinel

from jobchaos import servers
from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.errors import UnsafeRestoreError
from tests.backends.conftest import Create
from tests.backends.mysql import ACCESS, Database, mysql_databases
from tests.backends.proxy import Proxy

__all__ = ["mysql_databases"]

QUICK = Settings(profile="quick", isolation="thread")


# --- poolers ---------------------------------------------------------------------------------------------------------


def renumbered(told: bytes) -> bytes:
    """PgBouncer gives clients numbers of its own, in the message BackendKeyData of PostgreSQL's protocol."""
    return re.sub(rb"K\x00\x00\x00\x0c....", b"K\x00\x00\x00\x0c\x00\x00\x00\x07", told, flags=re.DOTALL)


def test_a_pooler_before_postgresql_is_named(new_postgres: Create) -> None:
    dsn = new_postgres("pooled")
    with psycopg.connect(dsn) as db:
        db.execute("CREATE TABLE users (id int PRIMARY KEY)")
        host, port = db.info.host, db.info.port

    def connect() -> socket.socket:
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        there = socket.socket(socket.AF_UNIX)
        there.connect(f"{host}/.s.PGSQL.{port}")
        return there

    proxy = Proxy(connect, renumbered)
    pooled = psycopg.conninfo.make_conninfo(
        dsn, host="127.0.0.1", port=proxy.port, sslmode="disable", gssencmode="disable"
    )

    def job() -> None:
        with psycopg.connect(pooled) as db:
            db.execute("INSERT INTO users VALUES (1) ON CONFLICT DO NOTHING")

    try:
        verdict = check(job, faults=["duplicate"], settings=QUICK)
    finally:
        proxy.vanish()
    assert [finding.code for finding in verdict.findings] == ["JC916"]
    assert verdict.status == "inconclusive"
    assert "reaches its database through a connection pooler" in verdict.findings[0].message


def renamed(told: bytes) -> bytes:
    """ProxySQL does so, too: https://dev.mysql.com/doc/dev/mysql-server/latest/ under Protocol::HandshakeV10."""
    greeting = re.match(rb"...\x00\x0a[^\x00]+\x00", told, flags=re.DOTALL)
    return told if greeting is None else told[: greeting.end()] + b"\x07\0\0\0" + told[greeting.end() + 4 :]


def test_a_pooler_before_mariadb_is_named(mysql_databases: tuple[Database, Database]) -> None:
    database, _ = mysql_databases
    database.reset("CREATE TABLE users (id INT PRIMARY KEY)")
    proxy = Proxy(lambda: socket.create_connection((ACCESS["host"], ACCESS["port"])), renamed)

    access = {**ACCESS, "port": proxy.port, "database": database.name}

    def job() -> None:
        with pymysql.connect(**access, autocommit=True) as db, db.cursor() as cursor:
            cursor.execute("INSERT IGNORE INTO users VALUES (1)")

    try:
        verdict = check(job, faults=["duplicate"], settings=QUICK)
    finally:
        proxy.vanish()
    assert [finding.code for finding in verdict.findings] == ["JC916"]


# --- clusters and sentinels ------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a cluster of one server."""
    monkeypatch.delenv("JOBCHAOS_REDIS", raising=False)
    module = importlib.import_module("jobchaos.servers.redis")
    monkeypatch.setattr(module, "_OPTIONS", ("--save", "", "--cluster-enabled", "yes"))
    with servers.redis() as url:
        with redis.Redis.from_url(url) as client:
            client.execute_command("CLUSTER ADDSLOTSRANGE 0 16383")
            while client.cluster("INFO")["cluster_state"] != "ok":
                pass
        yield url


@pytest.mark.thorough
def test_a_cluster_is_said_and_what_was_there_stays(cluster: str) -> None:
    def job() -> None:
        with redis.RedisCluster.from_url(cluster) as client:
            client.incr("count")

    with redis.Redis.from_url(cluster) as client:
        client.set("count", 5)
        verdict = check(job, faults=["duplicate"], settings=QUICK)
        assert "JC917" in [finding.code for finding in verdict.findings]
        assert verdict.status != "holds"
        assert any("uses a Redis cluster" in finding.message for finding in verdict.findings)
        assert client.get("count") == b"6", "as one run leaves it"


@pytest.mark.thorough
def test_a_cluster_that_is_not_for_tests_is_refused_before_anything_is_written(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobchaos.stores.redis_server.ServerKeys.folder", lambda _self: "/var/lib/redis")

    def job() -> None:
        with redis.RedisCluster.from_url(cluster) as client:
            client.incr("count")

    with pytest.raises(UnsafeRestoreError, match=r"allow="):
        check(job, faults=["duplicate"], settings=QUICK)
    with redis.Redis.from_url(cluster) as client:
        assert client.get("count") is None


@pytest.fixture
def sentinel(jobchaos_redis: str, tmp_path: Path) -> Iterator[Any]:
    """A sentinel that knows the server."""
    module = importlib.import_module("jobchaos.servers.redis")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "sentinel.conf"
    server = jobchaos_redis.split("/")[2].replace(":", " ")
    config.write_text(f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor shop {server} 1\n")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([module._program(), str(config), "--sentinel"], stdout=log, stderr=log)
    try:
        assert module.is_up(process, functools.partial(module._answers, port)), (tmp_path / "log").read_text()
        with contextlib.closing(redis.Redis(port=port)) as client:
            manager = redis.sentinel.Sentinel([])  # type: ignore[no-untyped-call]
            manager.sentinels = [client]
            yield manager
    finally:
        process.kill()
        process.wait()


def test_a_server_that_a_sentinel_names_is_checked_like_any_other(sentinel: Any) -> None:
    def job() -> None:
        with sentinel.master_for("shop", db=3) as client:
            client.incr("count")

    with sentinel.master_for("shop", db=3) as client:
        client.delete("count")
    verdict = check(job, faults=["duplicate"], settings=QUICK)
    assert [(finding.code, str(finding.schedule)) for finding in verdict.findings] == [("JC103", "A A")]
    with sentinel.master_for("shop", db=3) as client:
        client.delete("count")
