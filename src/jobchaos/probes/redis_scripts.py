"""Scripts: what a Lua script uses, as far as its text tells.

A script is to name its keys in KEYS (https://redis.io/docs/latest/develop/programmability/eval-intro/), but the server
lets it use any. So each call in it is looked at: if one names its key in another way, or cannot be read, the script
may write everything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from jobchaos.core.effect import Mode
from jobchaos.probes.redis_commands import SILENT, Use, uses_of
from jobchaos.probes.redis_protocol import Command, name_of

_words = str.split
_CALL = re.compile(r"\b(?:redis|server)\s*\.\s*p?call\b")
_ARGUMENTS = re.compile(r"""\s*\(\s*(['"])(\w+)\1\s*(?:,\s*([^,()]+?)\s*)?[,)]""")
_KEY = re.compile(r"KEYS\s*\[\s*(\d+)\s*\]")
_COMMENT = re.compile(r"--\[\[.*?\]\]|--[^\n]*", re.DOTALL)
_ALL = ((None, Mode.WRITE),)
_ONE_KEY_AT_A_TIME = frozenset(
    _words("""
    APPEND DECR DECRBY DEL EXISTS EXPIRE EXPIREAT GET GETDEL GETEX GETRANGE GETSET HDEL HEXISTS HGET HGETALL HINCRBY
    HINCRBYFLOAT HKEYS HLEN HMGET HMSET HSET HSETNX HVALS INCR INCRBY INCRBYFLOAT LINDEX LINSERT LLEN LPOP LPOS LPUSH
    LPUSHX LRANGE LREM LSET LTRIM PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PSETEX PTTL RPOP RPUSH RPUSHX SADD SCARD SET
    SETBIT SETEX SETNX SISMEMBER SMEMBERS SPOP SREM STRLEN TTL TYPE UNLINK XACK XADD XDEL XLEN XRANGE XTRIM ZADD ZCARD
    ZCOUNT ZINCRBY ZPOPMAX ZPOPMIN ZRANGE ZRANGEBYSCORE ZRANK ZREM ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZSCORE
    """)
)
_SEVERAL = ("DEL", "UNLINK", "EXISTS")


class Scripts:
    """The scripts that were seen, by their SHA-1."""

    def __init__(self) -> None:
        self._texts: dict[bytes, str] = {}

    def learn(self, text: str | bytes) -> None:
        """A script may be run by its hash from now on."""
        code = text.encode() if isinstance(text, str) else text
        name = hashlib.sha1(code, usedforsecurity=False).hexdigest().encode()
        self._texts[name] = code.decode("utf-8", "replace")

    def uses_of(self, command: Command) -> tuple[Use, ...]:
        """What EVAL, EVALSHA or FCALL uses.

        Args:
            command: With its name.
        """
        name, code = name_of(command), command[1]
        if name.startswith("EVALSHA"):
            text = self._texts.get(code.lower())
        elif name.startswith("EVAL"):
            self.learn(code)
            text = code.decode("utf-8", "replace")
        else:
            text = None
        only_reads = name.endswith("_RO")
        try:
            keys = command[3 : 3 + int(command[2])]
        except ValueError:
            return ()  # the server will refuse it
        found = None if text is None else _uses(text, keys)
        if found is None:
            return ((None, Mode.READ),) if only_reads else _ALL
        return found


def _uses(text: str, keys: Sequence[bytes]) -> tuple[Use, ...] | None:
    text = _COMMENT.sub("", text)
    uses: dict[Use, None] = {}
    for call in _CALL.finditer(text):
        arguments = _ARGUMENTS.match(text, call.end())
        if arguments is None:
            return None
        name, key = arguments.group(2).upper(), arguments.group(3)
        if name in SILENT:
            continue
        number = None if key is None else _KEY.fullmatch(key)
        ends = text[arguments.end() - 1] == ")"
        if number is None or name not in _ONE_KEY_AT_A_TIME or (name in _SEVERAL and not ends):
            return None
        at = int(number.group(1)) - 1
        if at < len(keys):
            (use,) = uses_of((name.encode(), keys[at]))
            uses[use] = None
    return tuple(uses) if _calls_only_so(text) else None


def _calls_only_so(text: str) -> bool:
    """False if the module `redis` is used in a way that hides a call: `local r = redis`, `redis['call']`."""
    return not re.search(r"\b(?:redis|server)\b(?!\s*\.\s*\w)|\bload(?:string)?\s*\(|\b_G\b", text)
