"""Servers: real ones from pip wheels, for tests. Unprivileged, for this machine only, removed afterwards.

`postgres()` and `redis()` are context managers; the fixtures `jobchaos_postgres` and `jobchaos_redis` keep one for the
session.
"""

from __future__ import annotations

from jobchaos.servers.postgres import postgres
from jobchaos.servers.redis import redis

__all__ = ["postgres", "redis"]
