"""Jobs on Redis that look fine and are not. Each must be found, with the right code and a minimal schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from tests.backends import redis_site as site


def increments_a_counter() -> None:
    site.connect().incr("sold")


def reads_modifies_writes() -> None:
    client = site.connect()
    if not client.exists("paid"):
        client.set("stock", int(client.get("stock")) - 1)
        client.set("paid", 1)


def locks_for_ever() -> None:
    client = site.connect()
    if client.set("lock", "7", nx=True):
        client.hset("order:7", "status", "paid")
        client.delete("lock")


def counts_and_then_lets_expire() -> None:
    client = site.connect()
    if client.hset("order:7", "counted", 1):
        client.incr("attempts")
        client.expire("attempts", 3600)


def pops_and_then_works() -> None:
    client = site.connect()
    if client.lpop("queue") is not None:
        client.hset("order:7", "status", "paid")


def reads_its_stream_and_acknowledges_first() -> None:
    client = site.connect()
    for _, entries in client.xreadgroup("workers", "w1", {"orders": ">"}) or []:
        for number, fields in entries:
            client.xack("orders", "workers", number)
            client.hset(f"order:{fields[b'order'].decode()}", "status", "paid")


def waits_for_what_it_has_taken() -> None:
    client = site.connect()
    client.blpop(["queue"])
    client.hset("order:7", "status", "paid")


def sends_a_message_twice() -> None:
    site.connect().publish("orders", "order 7 is paid")


def pipelines_without_a_transaction() -> None:
    client = site.connect()
    with client.pipeline(transaction=False) as pipeline:
        pipeline.incrby("stock", -1)
        pipeline.set("paid", 1)
        pipeline.execute()


def appends_to_a_stream() -> None:
    site.connect().xadd("mails", {"to": "ann@example.com"})


def increments_while_awaiting() -> None:
    async def job() -> None:
        client = site.connect_async()
        if not await client.exists("paid"):
            await client.incrby("stock", -1)
            await client.set("paid", 1)
        await client.aclose()

    asyncio.run(job())


def checks_in_a_script_and_writes_outside() -> None:
    client = site.connect()
    if not client.eval("return redis.call('EXISTS', KEYS[1])", 1, "paid"):
        client.incrby("stock", -1)
        client.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "paid", "1")


def watches_the_wrong_key() -> None:
    client = site.connect()
    with client.pipeline() as pipeline:
        pipeline.watch("order:7")
        if pipeline.hget("order:7", "status") == b"new" and not pipeline.exists("paid"):
            stock = int(pipeline.get("stock"))
            pipeline.multi()
            pipeline.set("stock", stock - 1)
            pipeline.set("paid", 1)
            try:
                pipeline.execute()
            except redis.WatchError:
                raise RuntimeError("try again") from None


@dataclass(frozen=True)
class Broken:
    """A job and what must be found.

    Attributes:
        job: The job.
        findings: Code to schedule.
    """

    job: Callable[[], Any]
    findings: dict[str, str]


BROKEN = (
    Broken(increments_a_counter, {"JC103": "A A", "JC203": "A B", "JC303": "A1!kill A"}),
    Broken(reads_modifies_writes, {"JC203": "A1 B A", "JC303": "A3!kill A"}),
    Broken(waits_for_what_it_has_taken, {"JC104": "A A", "JC304": "A1!kill A"}),
    Broken(locks_for_ever, {"JC303": "A1!kill A"}),
    Broken(counts_and_then_lets_expire, {"JC303": "A1!kill A"}),
    Broken(pops_and_then_works, {"JC303": "A1!kill A"}),
    Broken(reads_its_stream_and_acknowledges_first, {"JC303": "A1!kill A"}),
    Broken(sends_a_message_twice, {"JC101": "A A", "JC201": "A B"}),
    Broken(pipelines_without_a_transaction, {"JC103": "A A"}),
    Broken(appends_to_a_stream, {"JC103": "A A"}),
    Broken(increments_while_awaiting, {"JC203": "A1 B A", "JC303": "A2!kill A"}),
    Broken(checks_in_a_script_and_writes_outside, {"JC203": "A1 B A", "JC303": "A2!kill A"}),
    Broken(watches_the_wrong_key, {"JC203": "A3 B A"}),
)
