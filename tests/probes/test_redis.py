"""Commands are steps, transactions are one, time is virtual, and whoever waits for a key waits in the schedule."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio

from jobchaos.core.effect import Mode
from jobchaos.core.trace import Happening
from jobchaos.probes.redis import RedisProbe
from jobchaos.probes.sleep import SleepProbe
from tests.probes.conftest import Watch, effects, seen


@pytest.fixture(scope="module")
def url(jobchaos_redis: str) -> str:
    return f"{jobchaos_redis.rpartition('/')[0]}/2"


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield client


def probe() -> RedisProbe:
    return RedisProbe()


def paths(run: Any) -> list[list[tuple[str, str]]]:
    """For each effect what it uses, without the server."""
    return [
        [(touch.resource.partition("/")[2], touch.mode.value) for touch in effect.touches] for effect in effects(run)
    ]


def test_a_command_is_one_effect_with_its_keys_and_its_answer(watch: Watch, client: Any) -> None:
    def job() -> None:
        client.set("a", "two words")
        client.get("a")
        client.mget("a", "b/c")
        client.sunionstore("d", "e", "f")

    run = watch(job, "A", probe())
    assert seen(run) == [
        "SET a 'two words' -> OK",
        "GET a -> 'two words'",
        "MGET a b/c -> 2 items",
        "SUNIONSTORE d e f -> 0",
    ]
    assert paths(run) == [
        [("2/a", "write")],
        [("2/a", "read")],
        [("2/a", "read"), ("2/b%2Fc", "read")],
        [("2/d", "write"), ("2/e", "read"), ("2/f", "read")],
    ]
    assert [effect.durable for effect in effects(run)] == [True, False, False, True]
    assert all(effect.site is not None and effect.site.function == "job" for effect in effects(run))


def test_the_job_reads_what_it_would_read(watch: Watch, client: Any, url: str) -> None:
    read: list[Any] = []

    def job() -> None:
        text = redis.Redis.from_url(url, decode_responses=True)
        text.hset("h", mapping={"a": "1"})
        read.extend([text.hgetall("h"), client.hgetall("h"), text.get("none"), client.zadd("z", {"m": 1.5})])
        read.append(client.zrange("z", 0, -1, withscores=True))
        with client.pipeline() as pipeline:
            pipeline.incr("n").lpush("l", "x").lrange("l", 0, -1)
            read.append(pipeline.execute())
        try:
            client.incr("h")
        except redis.ResponseError as error:
            read.append(str(error))
        text.close()

    run = watch(job, "A", probe())
    assert read[:4] == [{"a": "1"}, {b"a": b"1"}, None, 1]
    assert [tuple(pair) for pair in read[4]] == [(b"m", 1.5)]  # a list of lists in the newer protocol
    assert read[5] == [1, 1, [b"x"]]
    assert read[6].startswith("WRONGTYPE")
    assert not run.trace.events[-2].applied


def test_an_unknown_command_may_write_everything(watch: Watch, client: Any) -> None:
    def job() -> None:
        with pytest.raises(redis.ResponseError, match="unknown command"):
            client.execute_command("SPELL", "a")
        client.keys("*")
        client.eval("return redis.call('GET', ARGV[1])", 0, "a")

    assert paths(watch(job, "A", probe())) == [[("2", "write")], [("2", "read")], [("2", "write")]]


def test_a_script_uses_what_its_text_says(watch: Watch, client: Any) -> None:
    script = "if redis.call('GET', KEYS[1]) then redis.call('DEL', KEYS[2]) end return 1"

    def job() -> None:
        client.eval(script, 2, "a", "b")
        client.evalsha(client.script_load(script), 2, "c", "d")

    uses = [[("2/a", "read"), ("2/b", "write")], [("2/c", "read"), ("2/d", "write")]]
    assert paths(watch(job, "A", probe())) == uses


def test_a_transaction_is_one_durable_write(watch: Watch, client: Any) -> None:
    def job() -> None:
        with client.pipeline() as pipeline:
            pipeline.watch("w")
            pipeline.get("w")
            pipeline.multi()
            pipeline.incr("n")
            pipeline.get("o")
            pipeline.execute()

    run = watch(job, "A", probe())
    assert seen(run) == ["WATCH w -> OK", "GET w -> nil", "MULTI; INCRBY n 1; GET o; EXEC -> 2 items"]
    assert paths(run)[-1] == [("2/w", "read"), ("2/n", "write"), ("2/o", "read")]
    assert effects(run)[-1].durable


def test_a_watched_key_that_another_copy_changes_aborts_the_transaction(watch: Watch, client: Any) -> None:
    def job() -> None:
        with client.pipeline() as pipeline:
            pipeline.watch("n")
            count = int(pipeline.get("n") or 0)
            pipeline.multi()
            pipeline.set("n", count + 1)
            pipeline.execute()

    run = watch(job, "A2 B A", probe())
    assert "WatchError" in next(event.detail for event in run.trace.events if event.happening is Happening.RAISED)
    assert client.get("n") == b"2"  # B, and A when it was delivered again


def test_commands_of_a_plain_pipeline_are_steps_of_their_own(watch: Watch, client: Any) -> None:
    def job() -> None:
        client.pipeline(transaction=False).incr("n").incr("m").execute()

    run = watch(job, "A1!kill", probe())
    assert [label.split()[1] for label in seen(run)] == ["n", "n", "m"]
    assert client.mget("n", "m") == [b"2", b"1"]


def test_a_failed_call_is_not_applied_and_a_lost_one_is(watch: Watch, client: Any, url: str) -> None:
    def job() -> None:
        once = redis.Redis.from_url(url, retry=None)
        try:
            once.incr("n")
        finally:
            once.close()

    run = watch(job, "A0!fail A", probe())
    assert "ConnectionError" in seen(run)[0]
    assert client.get("n") == b"1"
    watch(job, "A0!lost A", probe())
    assert client.get("n") == b"3"


def test_redis_py_itself_tries_again(watch: Watch, client: Any) -> None:
    run = watch(lambda: client.incr("n"), "A0!lost A", probe(), SleepProbe(watch.bindings))
    assert run.copies["A"].completed
    assert client.get("n") == b"2"


def test_a_dead_worker_writes_nothing_and_its_connection_is_closed(watch: Watch, client: Any) -> None:
    mine = redis.Redis(connection_pool=redis.ConnectionPool(**client.connection_pool.connection_kwargs))

    def job() -> None:
        try:
            mine.set("a", 1)
            mine.set("b", 1)
        except BaseException:
            mine.set("died", 1)
            raise

    watch(job, "A1!kill", probe())
    assert not client.exists("died")
    mine.close()


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_key_expires_in_virtual_time(watch: Watch, client: Any) -> None:
    told: list[Any] = []

    def job() -> None:
        if client.set("lock", 1, nx=True, px=5000):
            told.append(("got", client.pttl("lock"), client.ttl("lock")))
        else:
            told.append(("busy", client.pttl("lock"), client.ttl("lock")))

    watch(job, "A +3s B +1s C +5s D", probe(), SleepProbe(watch.bindings))
    assert told == [("got", 5000, 5), ("busy", 1000, 1), ("got", 5000, 5), ("got", 5000, 5)]


@pytest.mark.parametrize(
    ("act", "left"),
    [
        (lambda client: client.expire("k", 20), 20_000),
        (lambda client: client.persist("k"), -1),
        (lambda client: client.set("k", 2), -1),
        (lambda client: client.set("k", 2, keepttl=True), 7000),
        (lambda client: client.incr("k"), 7000),
        (lambda client: client.expire("k", 20, gt=True), 20_000),
        (lambda client: client.expire("k", 20, lt=True), 7000),
        (lambda client: client.getex("k", px=300), 300),
        (lambda client: client.copy("k", "l") and client.rename("l", "k"), 7000),
        (
            lambda client: client.eval(
                "return redis.call('PEXPIRE', KEYS[1], redis.call('PTTL', KEYS[1]) + 1)", 1, "k"
            ),
            7001,
        ),
        (lambda client: client.pipeline().incr("k").pexpire("k", 50).execute(), 50),
        (lambda client: client.execute_command("SETEX", "k", 9, 1), 9000),
        (lambda client: client.pexpireat("k", 13_000), 10_000),
        (lambda client: client.set("k", 1, pxat=13_000), 10_000),
        (lambda client: client.delete("k"), -2),
        (lambda client: client.getdel("k"), -2),
    ],
)
def test_every_way_to_change_when_a_key_expires(watch: Watch, client: Any, act: Any, left: int) -> None:
    told: list[int] = []

    def job() -> None:
        if watch.clock.elapsed() == 0:
            client.set("k", 1, px=10_000)
        else:
            act(client)
            told.extend([client.pttl("k"), client.pexpiretime("k")])

    watch(job, "A +2s B", probe())  # and a second until B is delivered
    assert told == [left, left + 3000 if left >= 0 else left]


def test_what_has_expired_is_gone_for_every_command(watch: Watch, client: Any) -> None:
    told: list[Any] = []

    def job() -> None:
        if watch.clock.elapsed() == 0:
            client.set("k", 1, px=1000)
            return
        told.extend([client.exists("k"), client.keys("*"), client.incr("k"), client.pttl("k")])

    watch(job, "A +1s B", probe())
    assert told == [0, [], 1, -1]


def test_the_ids_of_a_stream_are_made_of_virtual_time(watch: Watch, client: Any) -> None:
    ids: list[bytes] = []

    def job() -> None:
        ids.extend(client.xadd("s", {"f": "v"}) for _ in range(2))

    client.xadd("s", {"f": "v"}, id="500-7")
    watch(job, "A +1s B", probe())
    assert ids == [b"500-8", b"500-9", b"2000-0", b"2000-1"]
    assert watch(lambda: client.time(), "A", probe()).copies["A"].completed


# --- waiting ---------------------------------------------------------------------------------------------------------


def test_who_waits_for_a_list_waits_until_another_copy_has_pushed(watch: Watch, client: Any) -> None:
    taken: list[Any] = []

    def job() -> None:
        if client.incr("copies") == 1:
            taken.append(client.blpop("l", timeout=60))
        else:
            client.rpush("l", "x")

    run = watch(job, "A B", probe())
    assert taken == [(b"l", b"x")]
    assert [event.happening for event in run.trace.events].count(Happening.BLOCKED) == 1
    assert watch.clock.now() == 10**9  # no time has passed but until B was delivered


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        (lambda client: client.blpop(["l"], timeout=30), 30),
        (lambda client: client.brpop("l", timeout=0.5), 0.5),
        (lambda client: client.blmove("l", "m", timeout=2), 2),
        (lambda client: client.bzpopmin("z", timeout=3), 3),
        (lambda client: client.blmpop(4, 1, "l", direction="LEFT"), 4),
        (lambda client: client.xread({"s": "$"}, block=5000), 5),
        (lambda client: client.xreadgroup("g", "w", {"s": ">"}, block=6000), 6),
    ],
)
def test_a_time_limit_is_virtual(watch: Watch, client: Any, wait: Any, seconds: float) -> None:
    client.xgroup_create("s", "g", mkstream=True)
    told: list[Any] = []
    run = watch(lambda: told.append(wait(client)), "A", probe())
    assert run.copies["A"].completed
    assert not told[0]
    assert watch.clock.now() == seconds * 10**9


def test_who_waits_for_ever_is_told(watch: Watch, client: Any) -> None:
    run = watch(lambda: client.blpop("l"), "A", probe())
    assert run.copies["A"].error.startswith("waits for ever for redis:")


def test_who_polls_for_a_lock_lets_its_holder_go_on(watch: Watch, client: Any) -> None:
    def job() -> None:
        with client.lock("lock", timeout=30):
            client.incr("n")
            client.incr("n")

    run = watch(job, "A2 B A", probe(), SleepProbe(watch.bindings))
    assert all(copy.completed for copy in run.copies.values())
    assert watch.clock.now() < 3 * 10**9
    assert [event.happening for event in run.trace.events].count(Happening.LEASED) == 2
    assert [event.happening for event in run.trace.events].count(Happening.RELEASED) == 2


def test_a_lock_whose_holder_has_died_is_free_when_its_time_is_over(watch: Watch, client: Any) -> None:
    def job() -> None:
        with client.lock("lock", timeout=30):
            client.incr("n")

    run = watch(job, "A1!kill", probe(), SleepProbe(watch.bindings))
    assert run.copies["A"].completed
    assert 30 <= watch.clock.now() / 10**9 < 32


# --- asyncio, forks, and what cannot be controlled -------------------------------------------------------------------


def test_an_asyncio_client_is_watched_and_may_outlive_its_loop(watch: Watch, client: Any, url: str) -> None:
    shared = redis.asyncio.Redis.from_url(url)

    async def work() -> None:
        await shared.incr("n")
        async with shared.pipeline() as pipeline:
            pipeline.incr("m")
            pipeline.get("n")
            await pipeline.execute()
        await asyncio.wait_for(shared.blpop(["l"], timeout=1), 10)

    run = watch(lambda: asyncio.run(work()), "A1 B A", probe())
    assert seen(run)[:2] == ["INCRBY n 1 -> 1", "INCRBY n 1 -> 2"]
    assert all(copy.completed for copy in run.copies.values())


def test_a_connection_that_another_process_has_opened_is_not_used(watch: Watch, client: Any) -> None:
    client.ping()
    (connection,) = client.connection_pool._available_connections
    connection.pid = os.getpid() - 1

    def job() -> None:
        connection.send_command("GET", "n")

    run = watch(job, "A", probe())
    assert [code for code, _ in run.oddities] == ["JC912"]
    assert "opened in another process" in run.copies["A"].error
    connection.pid = os.getpid()


def test_messages_that_arrive_by_themselves_are_not_controlled_and_that_is_said(watch: Watch, client: Any) -> None:
    def job() -> None:
        with client.pubsub() as subscription:
            subscription.subscribe("news")
            subscription.get_message(timeout=1)

    run = watch(job, "A", probe())
    assert [code for code, _ in run.oddities] == ["JC917"]
    assert run.copies["A"].completed


def test_a_message_that_is_published_is_a_foreign_effect(watch: Watch, client: Any) -> None:
    run = watch(lambda: client.publish("news", "hello"), "A0!lost A", probe(), SleepProbe(watch.bindings))
    assert [record.values for record in watch.recorder.records] == [("news", "hello")] * 2
    assert effects(run)[0].touches[0] == ("pubsub:news", Mode.APPEND)


def test_without_a_check_nothing_is_watched(watch: Watch, client: Any) -> None:
    before = redis.connection.AbstractConnection.send_packed_command, redis.connection.AbstractConnection.read_response
    watch(lambda: client.get("a"), "A", probe())
    after = redis.connection.AbstractConnection.send_packed_command, redis.connection.AbstractConnection.read_response
    assert before == after
    client.set("a", 1)
    assert client.get("a") == b"1"


def test_a_script_object_tells_its_text_though_only_the_hash_is_sent(watch: Watch, client: Any) -> None:
    script = client.register_script("return redis.call('GET', KEYS[1])")
    client.script_load(script.script)  # as another test may have done
    run = watch(lambda: script(keys=["a"]), "A", probe())
    assert paths(run) == [[("2/a", "read")]]
