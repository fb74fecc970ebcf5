"""Which store a Redis resource gets."""

from __future__ import annotations

from collections.abc import Sequence

from jobchaos.core.address import Address
from jobchaos.errors import UsageError
from jobchaos.stores.redis import RedisStore


def redis_store(resource: str, allow: Sequence[str]) -> RedisStore:
    """A store for the database that a resource is in.

    Args:
        resource: A path such as `redis:127.0.0.1:6379/0/key`.
        allow: See `RedisStore`.

    Raises:
        UsageError: If it stands for all databases of a server, or for one that only another process can reach.
    """
    server, db = resource.split("/", 2)[:2]
    if db == "*":
        raise UsageError(
            f"the job changes all databases of the server {server.removeprefix('redis:')} at once (FLUSHALL, SWAPDB, "
            "MOVE or COPY DB), of which only those can be restored that are known to be for tests. FLUSHDB empties one"
        )
    if not isinstance(resource, Address):
        raise UsageError(
            'fakeredis keeps its keys in the memory of one process, so that isolation="process" cannot share them: use '
            'the fixture jobchaos_redis, or isolation="thread", which simulates kills'
        )
    return RedisStore(Address(f"{server}/{db}", resource.access), allow)
