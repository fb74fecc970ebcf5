"""Jobs on Redis that are right, though it takes a second look. None must be reported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import redis

from tests.backends import redis_site as site


def counts_in_a_set() -> None:
    site.connect().sadd("sold", "order 7")


def watches_what_it_reads() -> None:
    client = site.connect()
    with client.pipeline() as pipeline:
        while True:
            try:
                pipeline.watch("paid", "stock")
                if pipeline.exists("paid"):
                    return
                stock = int(pipeline.get("stock"))
                pipeline.multi()
                pipeline.set("stock", stock - 1)
                pipeline.set("paid", 1)
                pipeline.execute()
            except redis.WatchError:
                continue
            else:
                return


def decides_in_a_script() -> None:
    client = site.connect()
    script = client.register_script(
        "if redis.call('EXISTS', KEYS[1]) == 0 then"
        " redis.call('SET', KEYS[1], 1) redis.call('DECR', KEYS[2]) end return 1"
    )
    script(keys=["paid", "stock"])


def locks_with_a_time_limit() -> None:
    client = site.connect()
    with client.lock("lock", timeout=30):
        if not client.exists("paid"):
            with client.pipeline() as pipeline:
                pipeline.decr("stock")
                pipeline.set("paid", 1)
                pipeline.execute()


def moves_before_it_works() -> None:
    client = site.connect()
    item = client.lmove("queue", "doing") or client.lindex("doing", 0)
    if item is not None:
        with client.pipeline() as pipeline:
            pipeline.hset("order:7", "status", "paid")
            pipeline.lrem("doing", 1, item)
            pipeline.execute()


def acknowledges_what_it_has_done() -> None:
    client = site.connect()
    for start in ("0", ">"):
        for _, entries in client.xreadgroup("workers", "w1", {"orders": start}) or []:
            for number, fields in entries:
                client.hset(f"order:{fields[b'order'].decode()}", "status", "paid")
                client.xack("orders", "workers", number)


def appends_under_an_id_of_its_own() -> None:
    client = site.connect()
    try:
        client.xadd("mails", {"to": "ann@example.com"}, id="7-1")
    except redis.ResponseError as error:
        if "equal or smaller" not in str(error):
            raise


def caches_for_an_hour() -> None:
    client = site.connect()
    if client.get("cache:7") is None:
        client.set("cache:7", "4200", ex=3600)


def writes_while_awaiting() -> None:
    async def job() -> None:
        client = site.connect_async()
        async with client.pipeline() as pipeline:
            pipeline.sadd("sold", "order 7")
            pipeline.hset("order:7", "status", "paid")
            await pipeline.execute()
        await client.aclose()

    asyncio.run(job())


def gives_up_after_a_while() -> None:
    client = site.connect()
    client.set("taken", "by somebody", nx=True)
    if not client.lock("taken", blocking_timeout=20).acquire():
        client.set("status", "busy")


SOUND: tuple[Callable[[], Any], ...] = (
    counts_in_a_set,
    watches_what_it_reads,
    decides_in_a_script,
    locks_with_a_time_limit,
    moves_before_it_works,
    acknowledges_what_it_has_done,
    appends_under_an_id_of_its_own,
    caches_for_an_hour,
    writes_while_awaiting,
    gives_up_after_a_while,
)
