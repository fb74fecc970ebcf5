"""Where the Redis jobs of the corpus find their server: a real one, or a fake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

connect: Callable[[], Any] = redis.Redis
"""Gives a client; set by the fixture."""

connect_async: Callable[[], Any] = redis.Redis
"""Gives an asyncio client; likewise."""


def set_up(client: Any) -> None:
    """What is there before each job."""
    client.flushdb()
    client.set("stock", 5)
    client.rpush("queue", "order 7")
    client.xadd("orders", {"order": "7"}, id="1-1")
    client.xgroup_create("orders", "workers", id="0")
    client.hset("order:7", mapping={"status": "new", "cents": 4200})
