"""Keys of every type come back as they were just before their first touch; and what may not be touched at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest
import redis

from jobchaos.core.address import Address
from jobchaos.core.expiry import ANCHOR
from jobchaos.core.snapshot import Row
from jobchaos.errors import UnsafeRestoreError, UsageError
from jobchaos.stores.redis import RedisStore


def fill(client: Any) -> None:
    client.set("text", "hello")
    client.set("bytes", b"\xff\x00")
    client.hset("hash", mapping={"a": "1", "b": "2"})
    client.rpush("list", "x", "y")
    client.sadd("set", "m", "n")
    client.zadd("zset", {"p": 1.5, "q": 2})
    client.xadd("stream", {"f": "v"}, id="1-1")
    client.xgroup_create("stream", "g", id="0")
    client.set("session", "ann", ex=60)


KEYS = ("text", "bytes", "hash", "list", "set", "zset", "stream", "session")


class Place:
    """A database, and how its store is made."""

    def __init__(self, client: Any, server: str, access: Any) -> None:
        self.client = client
        self.access = access
        self.port = client.connection_pool.connection_kwargs["port"]
        self.resource = f"{server}/{client.connection_pool.connection_kwargs['db']}"

    def store(self, **options: Any) -> RedisStore:
        return RedisStore(Address(self.resource, self.access), **options)

    def touched(self, *keys: str) -> RedisStore:
        store = self.store()
        store.capture()
        for key in keys:
            store.announce(f"{self.resource}/{key}")
        return store


@pytest.fixture
def server(jobchaos_redis: str) -> Iterator[Place]:
    with redis.Redis.from_url(f"{jobchaos_redis.rpartition('/')[0]}/1") as client:
        client.flushdb()
        yield Place(client, f"redis:{jobchaos_redis.split('/')[2]}", jobchaos_redis.rpartition("/")[0])
        client.flushdb()


@pytest.fixture(params=["server", "fakeredis"])
def place(request: pytest.FixtureRequest) -> Any:
    if request.param == "server":
        return request.getfixturevalue("server")
    fake = fakeredis.FakeServer()
    return Place(fakeredis.FakeRedis(server=fake), "redis:fakeredis", fake)


def rows(store: RedisStore) -> dict[str, tuple[Row, ...]]:
    return {name: tuple(table.rows) for name, table in store.snapshot().tables.items()}


def test_what_is_as_before_is_no_part_of_the_state(place: Place) -> None:
    fill(place.client)
    store = place.touched(*KEYS)
    assert rows(store) == {}
    store.close()


def test_every_type_is_told_when_it_has_changed(place: Place) -> None:
    store = place.touched(*KEYS)
    fill(place.client)
    assert rows(store) == {
        "strings": (("bytes", b"\xff\x00"), ("session", "ann"), ("text", "hello")),
        "hashes": (("hash", "a", "1"), ("hash", "b", "2")),
        "lists": (("list", 0, "x"), ("list", 1, "y")),
        "sets": (("set", "m"), ("set", "n")),
        "sorted sets": (("zset", "p", 1.5), ("zset", "q", 2.0)),
        "streams": (("stream", "1-1", "f=v"),),
        "groups": (("stream", "g", "0-0"),),
        "expiring": (("session",),),
    }
    store.close()


def test_every_type_comes_back(place: Place) -> None:
    fill(place.client)
    store = place.touched(*KEYS, "new")
    before = store.hold()
    place.client.delete(*KEYS)
    place.client.set("new", 1)
    place.client.rpush("text", "now a list")
    assert rows(store)["removed"] == tuple((key,) for key in sorted(set(KEYS) - {"text"}))
    store.restore()
    assert rows(store) == {}
    assert place.client.get("new") is None
    assert place.client.xpending("stream", "g")["pending"] == 0
    assert [held and held[1] for held in store.hold().values()] == [held and held[1] for held in before.values()]
    store.close()


def test_it_returns_to_any_state_it_has_been_in(place: Place) -> None:
    store = place.touched("text", "hash")
    place.client.set("text", "first")
    held = store.hold()
    place.client.set("text", "second")
    store.announce(f"{place.resource}/later")
    place.client.set("later", 1)
    store.put_back(held)
    assert rows(store) == {"strings": (("text", "first"),)}
    store.close()


def test_other_keys_are_left_alone(place: Place) -> None:
    store = place.touched("text")
    place.client.set("other", "mine")
    store.restore()
    assert place.client.get("other") == b"mine"
    store.close()


def test_once_the_whole_database_is_announced_every_key_comes_back(place: Place) -> None:
    fill(place.client)
    store = place.touched()
    store.announce(place.resource)
    place.client.flushdb()
    place.client.set("new", 1)
    store.restore()
    assert sorted(place.client.keys()) == sorted(key.encode() for key in KEYS)
    store.close()


def test_names_of_keys_may_hold_anything(place: Place) -> None:
    place.client.set(b"a/b@\xff", 1)
    store = place.touched("a%2Fb%40%FF", "@keys")
    place.client.delete(b"a/b@\xff")
    store.restore()
    assert place.client.get(b"a/b@\xff") == b"1"
    store.close()


def test_a_key_expires_neither_while_the_check_runs_nor_later_than_it_should(server: Place) -> None:
    server.client.set("session", "ann", ex=60)
    store = server.touched("session")
    assert abs(server.client.pexpiretime("session") - ANCHOR - 60_000) < 5_000
    store.close()
    assert 50 < server.client.ttl("session") <= 60


def test_a_consumer_that_has_not_acknowledged_is_told(place: Place) -> None:
    fill(place.client)
    store = place.touched("stream")
    place.client.xreadgroup("g", "worker", {"stream": ">"})
    assert rows(store)["pending"] == (("stream", "g", "1-1", "worker", 1),)
    assert rows(store)["groups"] == (("stream", "g", "1-1"),)
    store.close()


# --- what may be restored --------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(server: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """As if the server kept its data where production does."""
    monkeypatch.setattr("jobchaos.stores.safety._temporary", lambda: ())
    monkeypatch.setattr("jobchaos.stores.safety._TEST", re.compile("no such name"))
    return server


def test_a_server_that_is_not_plainly_for_tests_is_refused_before_anything_is_changed(elsewhere: Place) -> None:
    fill(elsewhere.client)
    before = elsewhere.client.dump("text"), elsewhere.client.pexpiretime("session")
    store = elsewhere.store()
    with pytest.raises(UnsafeRestoreError) as refusal:
        store.capture()
    store.close()
    port = elsewhere.port
    assert f"Redis at 127.0.0.1:{port}, database 1, is not plainly a test resource" in str(refusal.value)
    assert f"allow=['redis://127.0.0.1:{port}/1']" in str(refusal.value)
    assert (elsewhere.client.dump("text"), elsewhere.client.pexpiretime("session")) == before
    assert elsewhere.client.dbsize() == len(KEYS)


@pytest.mark.parametrize(
    "form", ["redis://localhost:{port}/1", "redis://127.0.0.1:{port}", "redis://:pw@[::1]:{port}/1"]
)
def test_a_database_may_be_allowed_and_so_may_a_server(elsewhere: Place, form: str) -> None:
    store = elsewhere.store(allow=["/tmp/x", "smtp.example.com", form.format(port=elsewhere.port)])
    store.capture()
    store.close()


@pytest.mark.parametrize("form", ["redis://localhost:{port}/2", "redis://example.com:{port}/1", "{port}"])
def test_another_one_that_is_allowed_does_not_help(elsewhere: Place, form: str) -> None:
    store = elsewhere.store(allow=[form.format(port=elsewhere.port)])
    with pytest.raises(UnsafeRestoreError):
        store.capture()
    store.close()


def test_a_server_elsewhere_is_refused_without_being_asked() -> None:
    store = RedisStore(Address("redis:cache.example:6379/0", "redis://cache.example:6379"))
    with pytest.raises(UnsafeRestoreError, match=r"Redis at cache\.example:6379, database 0"):
        store.capture()
    store.close()


# --- what cannot be restored -----------------------------------------------------------------------------------------


def test_a_server_that_is_gone_is_named() -> None:
    store = RedisStore(Address("redis:127.0.0.1:1/0", "redis://127.0.0.1:1"), allow=["redis://127.0.0.1:1"])
    with pytest.raises(UsageError, match=r"Redis at 127\.0\.0\.1:1, database 0 cannot be reached"):
        store.capture()
    store.close()


def test_a_user_who_may_not_dump_is_told_what_he_needs(server: Place) -> None:
    server.client.acl_setuser("weak", enabled=True, passwords=["+pw"], commands=["+@all", "-dump"], keys=["*"])
    store = RedisStore(Address(server.resource, server.access.replace("://", "://weak:pw@")))
    with pytest.raises(UsageError, match=r"no permissions to run the 'dump' command.*\+@all"):
        store.capture()
    store.close()
    server.client.acl_deluser("weak")


def test_an_old_server_is_named_with_its_version(server: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis.Redis, "info", lambda *_: {"redis_version": "6.2.14"})
    store = server.store()
    with pytest.raises(UsageError, match=r"is Redis 6\.2\.14.*use Redis 7 or later"):
        store.capture()
    store.close()
