"""ServerKeys: the keys of one database of a real Redis or Valkey server."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobchaos.core.expiry import ANCHOR
from jobchaos.errors import LossError, MissingExtraError, UsageError
from jobchaos.stores.redis_rescue import rescue
from jobchaos.stores.redis_values import Rows, read

Held = tuple[bytes, int]
"""What DUMP gives, and the millisecond at which the key expires; -1 if it does not."""

_OLDEST = 7
_LATE = b"""
for i, name in ipairs(KEYS) do
  local left = redis.call('PTTL', name)
  if left >= 0 and redis.call('PEXPIRETIME', name) < tonumber(ARGV[1]) then
    redis.call('PEXPIREAT', name, string.format('%d', ARGV[1] + left))
  end
end
return 0
"""
_SOON = b"""
for i, name in ipairs(KEYS) do
  local left = redis.call('PEXPIRETIME', name) - ARGV[1]
  if left >= 0 then redis.call('PEXPIRE', name, string.format('%d', math.max(left, 1))) end
end
return 0
"""


class ServerKeys:
    """Reads and writes keys as they are on the server.

    Args:
        url: The server's, credentials included, without a database.
        db: The number of the database.
        initial: What keys held before their first touch, which is written into a file if the server is lost.
    """

    in_memory = False

    def __init__(self, url: str, db: int, initial: Mapping[bytes, Held | None]) -> None:
        self._client = client_of(url, db)
        self._initial = initial
        self._loss = ""

    def require_usable(self) -> None:
        """Find out whether keys can be kept and restored there. Changes nothing.

        Raises:
            UsageError: If the server cannot be reached, is too old, or does not let us.
        """
        redis = importlib.import_module("redis")
        where = self.where
        try:
            version = str(self._client.info("server")["redis_version"])
            if int(version.split(".")[0]) < _OLDEST:
                raise UsageError(
                    f"{where} is Redis {version}, which cannot tell when a key expires (PEXPIRETIME came with 7.0); "
                    "use Redis 7 or later, or Valkey, in the test"
                )
            for command in (("EVAL", "return 1", 0), ("DUMP", "jobchaos"), ("PEXPIRETIME", "jobchaos")):
                self._client.execute_command(*command)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise UsageError(f"{where} cannot be reached to remember its keys: {error}") from error
        except redis.exceptions.ResponseError as error:
            raise UsageError(
                f"{where} does not let the job's user remember and restore keys ({error}). The user needs DUMP, "
                "RESTORE, PEXPIRETIME, EVAL and INFO: give it +@all on the test's server"
            ) from error

    @property
    def where(self) -> str:
        """Host, port and database, for people."""
        known = self._client.connection_pool.connection_kwargs
        place = known.get("path") or f"{known.get('host')}:{known.get('port')}"
        return f"Redis at {place}, database {known.get('db')}"

    def folder(self) -> str:
        """Where the server keeps its data; empty if it does not say."""
        redis = importlib.import_module("redis")
        try:
            return str(self._client.config_get("dir").get("dir", ""))
        except redis.exceptions.RedisError:
            return ""

    def every(self) -> list[bytes]:
        """All keys."""
        with self._reaching():
            return list(self._client.scan_iter(count=1000))

    def anchor(self, keys: Sequence[bytes]) -> None:
        """Let keys that expire do so in virtual time."""
        if keys:
            self._run(_LATE, keys)

    def release(self, keys: Sequence[bytes]) -> None:
        """Let them expire in real time again, as if they had been set now."""
        if keys:
            self._run(_SOON, keys)

    def dump(self, keys: Sequence[bytes]) -> list[Held | None]:
        """What the keys hold; None for one that is not there."""
        pipeline = self._client.pipeline()
        for key in keys:
            pipeline.dump(key)
            pipeline.execute_command("PEXPIRETIME", key)
        with self._reaching():
            found = pipeline.execute() if keys else []
        return [None if dump is None else (dump, at) for dump, at in zip(found[::2], found[1::2], strict=True)]

    def put(self, wanted: Iterable[tuple[bytes, Held | None]]) -> None:
        """Make keys hold this."""
        pipeline = self._client.pipeline()
        for key, held in wanted:
            if held is None:
                pipeline.delete(key)
            else:
                pipeline.execute_command("RESTORE", key, max(held[1], 0), held[0], "REPLACE", "ABSTTL")
        with self._reaching():
            pipeline.execute()

    def read(self, key: bytes, held: Held) -> Rows:
        """What a key holds now, as rows."""
        with self._reaching():
            return read(self._client, key, held[0])

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    def _run(self, script: bytes, keys: Sequence[bytes]) -> None:
        with self._reaching():
            self._client.eval(script, len(keys), *keys, ANCHOR)

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Ask the server; if it is gone, nothing is.

        Raises:
            LossError: If it is.
        """
        exceptions = importlib.import_module("redis").exceptions
        try:
            yield
        except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
            self._loss = self._loss or (
                f"{self.where} was lost in the middle of the check ({error}). What the job has changed by then stays "
                f"so, if the server still has it. What its keys held before is in a file: redis-cli -n "
                f"{self._client.connection_pool.connection_kwargs['db']} < {rescue(self._initial)} puts it back."
            )
            raise LossError(self._loss, "JC913") from error


def client_of(url: str, db: int) -> Any:
    """A client of our own.

    Raises:
        MissingExtraError: If redis-py is not installed.
    """
    try:
        redis = importlib.import_module("redis")
    except ImportError as error:
        raise MissingExtraError(
            "to remember and restore keys jobchaos needs redis-py, whatever the job itself uses: pip install redis"
        ) from error
    once_more = importlib.import_module("redis.retry").Retry(importlib.import_module("redis.backoff").NoBackoff(), 1)
    return redis.Redis.from_url(url, db=db, protocol=2, retry=once_more)
