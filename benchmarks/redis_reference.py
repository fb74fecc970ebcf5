"""The reference job on Redis: ten effects, so guarded that every schedule passes."""

from __future__ import annotations

import redis

client = redis.Redis()


USED = ("idem:order-1", "order:1", "http:order-1", "ledger", "stock:1", "mails")
"""The keys of the job."""


def prepare(url: str, used: int, others: int) -> None:
    """Fill a database.

    Args:
        url: The database.
        used: How many fields there are in each hash that the job uses.
        others: How many keys there are beside those.
    """
    global client
    client = redis.Redis.from_url(url)
    client.flushdb()
    client.mset({"order:1": "new", "stock:1": 5})
    with client.pipeline(transaction=False) as pipeline:
        for name in ("ledger", "mails"):
            pipeline.hset(name, mapping={f"old-{number}": number for number in range(used)})
        for number in range(others):
            pipeline.hset(f"other:{number}", mapping={"status": "new", "cents": number})
        pipeline.execute()


def job() -> None:
    """R idem, R order, W order, W idem, W http, W ledger, R stock, W stock, W mail, W order."""
    client.get("idem:order-1")
    client.get("order:1")
    client.set("order:1", "paid")
    client.set("idem:order-1", 1, nx=True)
    client.set("http:order-1", 4200, nx=True)
    client.hsetnx("ledger", "1", "4200")
    client.get("stock:1")
    client.set("stock:1", 4)
    client.hsetnx("mails", "1", "thank you")
    client.set("order:1", "paid")
