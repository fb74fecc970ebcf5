"""A command of Redis that has surely changed nothing is known for it by its answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from jobchaos.core.trace import Happening
from jobchaos.probes.redis import RedisProbe
from jobchaos.probes.redis_commands import is_vain
from tests.probes.conftest import Watch


@pytest.fixture(scope="module")
def url(jobchaos_redis: str) -> str:
    return f"{jobchaos_redis.rpartition('/')[0]}/3"


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with redis.Redis.from_url(url) as client:
        yield client


def prepare(client: Any) -> None:
    client.flushdb()
    client.set("text", "1")
    client.set("mortal", "1", ex=1000)
    client.rpush("list", "a", "b")
    client.sadd("set", "a", "b")
    client.zadd("scores", {"a": 1, "b": 2})
    client.hset("hash", mapping={"a": "1"})
    client.xadd("stream", {"a": "1"}, id="1-1")
    client.pfadd("log", "a")


def test_in_a_check(watch: Watch, client: Any) -> None:
    prepare(client)

    def job() -> None:
        client.set("text", "2", nx=True)
        client.set("new", "2", nx=True)
        client.delete("missing")
        client.hset("hash", "a", "2")  # it answers 0, as no field is new
        with client.pipeline() as pipeline:
            pipeline.delete("missing")
            pipeline.execute()

    run = watch(job, "A", RedisProbe())
    changed = [event.changed for event in run.trace.events if event.happening is Happening.EFFECT]
    assert changed == [False, True, False, True, True]


KEYS = st.sampled_from(["text", "mortal", "list", "set", "scores", "hash", "stream", "log", "missing"])
WORDS = st.sampled_from(["a", "b", "c", "0", "1", "2", "-1"])
TEMPLATES = [
    *("SET k w", "SET k w NX", "SET k w XX", "SET k w NX EX 5", "SET k w GET", "SET k w XX KEEPTTL", "SET k w NX GET"),
    *("SETNX k w", "GETDEL k", "DEL k k", "UNLINK k", "APPEND k w", "INCR k", "GETSET k w", "MSETNX k w k w"),
    *("EXPIRE k 1000 NX", "EXPIRE k 10 GT", "EXPIRE k 10", "PERSIST k", "RENAMENX k k", "COPY k k", "MOVE k 4"),
    *("LPUSH k w", "LPUSHX k w", "RPUSHX k w", "LPOP k", "RPOP k 2", "LREM k 0 w", "LSET k 0 w", "LTRIM k 0 1"),
    *("LINSERT k BEFORE w w", "SADD k w w", "SREM k w", "SPOP k", "SPOP k 2", "SMOVE k k w"),
    *("ZADD k 1 w", "ZADD k NX 1 w", "ZREM k w", "ZPOPMIN k", "ZPOPMAX k 2", "ZREMRANGEBYRANK k 0 0"),
    *("ZREMRANGEBYSCORE k 5 9", "ZREMRANGEBYLEX k [c [d", "HSET k w w", "HSETNX k w w", "HDEL k w", "HINCRBY k w 0"),
    *("XADD k 1-1 w w", "XDEL k 1-2", "XTRIM k MAXLEN 1", "XACK k w 1-1", "PFADD k w", "SETRANGE k 0 w"),
]


@st.composite
def commands(draw: st.DrawFn) -> list[str]:
    """A command that may be refused, too."""
    template = draw(st.sampled_from(TEMPLATES)).split()
    return [draw(KEYS) if word == "k" else draw(WORDS) if word == "w" else word for word in template]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands())
def test_what_is_said_to_change_nothing_changes_nothing(client: Any, command: list[str]) -> None:
    prepare(client)
    before = state(client)
    try:
        reply = raw(client, command)
    except redis.ResponseError:
        return
    vain = is_vain(tuple(word.encode() for word in command), reply)
    event(f"vain: {vain}")
    assert not vain or state(client) == before


def raw(client: Any, command: list[str]) -> Any:
    """The answer as the server gives it."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


def state(client: Any) -> dict[bytes, tuple[bytes, int]]:
    return {key: (client.dump(key), client.expiretime(key)) for key in client.scan_iter()}
