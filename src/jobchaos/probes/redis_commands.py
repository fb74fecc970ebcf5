"""What each Redis command reads and writes: which of its words are keys, and how it uses them.

From the command reference (https://redis.io/docs/latest/commands/). What is not in the tables may write everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from jobchaos.core.effect import Mode
from jobchaos.probes.redis_protocol import Command, name_of

Use = tuple[bytes | None, Mode]
"""A key, or None for the whole database, and how it is used."""

_words = str.split
READ, WRITE = Mode.READ, Mode.WRITE

SILENT = frozenset(
    _words("""
    ACL ASKING AUTH BGREWRITEAOF BGSAVE CLIENT CLUSTER COMMAND CONFIG DISCARD ECHO HELLO INFO LASTSAVE LATENCY LOLWUT
    MODULE PING PUBSUB QUIT READONLY READWRITE REPLICAOF RESET ROLE SAVE SCRIPT SELECT SENTINEL SLOWLOG TIME UNWATCH
    WAIT WAITAOF
    """)
)
"""They use no key, and leave nothing in a database."""

LISTENING = frozenset(_words("SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE MONITOR"))
"""After them the connection is one on which messages arrive by themselves."""

SCRIPTS = frozenset(_words("EVAL EVAL_RO EVALSHA EVALSHA_RO FCALL FCALL_RO"))

EVERY_DATABASE = frozenset(_words("FLUSHALL SWAPDB"))

_FIRST_READ = """
    BITCOUNT BITFIELD_RO BITPOS DUMP EXPIRETIME GEODIST GEOHASH GEOPOS GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GET
    GETBIT GETRANGE HEXISTS HEXPIRETIME HGET HGETALL HKEYS HLEN HMGET HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSTRLEN HTTL
    HVALS LINDEX LLEN LPOS LRANGE PEXPIRETIME PTTL SCARD SISMEMBER SMEMBERS SMISMEMBER SRANDMEMBER SSCAN STRLEN SUBSTR
    TTL TYPE XLEN XPENDING XRANGE XREVRANGE ZCARD ZCOUNT ZLEXCOUNT ZMSCORE ZRANDMEMBER ZRANGE ZRANGEBYLEX
    ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE
"""
_FIRST_WRITTEN = """
    APPEND BITFIELD DECR DECRBY EXPIRE EXPIREAT GEOADD GETDEL GETEX GETSET HDEL HEXPIRE HEXPIREAT HGETDEL HGETEX HINCRBY
    HINCRBYFLOAT HMSET HPERSIST HPEXPIRE HPEXPIREAT HSET HSETEX HSETNX INCR INCRBY INCRBYFLOAT LINSERT LPOP LPUSH LPUSHX
    LREM LSET LTRIM PERSIST PEXPIRE PEXPIREAT PFADD PSETEX RESTORE RPOP RPUSH RPUSHX SADD SET SETBIT SETEX SETNX
    SETRANGE SPOP SREM XACK XACKDEL XADD XAUTOCLAIM XCLAIM XDEL XDELEX XSETID XTRIM ZADD ZINCRBY ZPOPMAX ZPOPMIN ZREM
    ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE DELIFEQ
"""
_BLOCKING = frozenset(_words("BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP BZPOPMIN BZPOPMAX BZMPOP XREAD XREADGROUP"))

_COUNTING = frozenset(
    _words("""
    COPY DEL EXPIRE EXPIREAT HDEL HSETNX LPUSHX LREM MOVE MSETNX PERSIST PEXPIRE PEXPIREAT PFADD RENAMENX RPUSHX SADD
    SETNX SMOVE SREM UNLINK XACK XDEL XTRIM ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE
    """)
)
"""They answer how many things they have changed."""
_TAKING = frozenset(_words("GETDEL LPOP RPOP SPOP ZPOPMAX ZPOPMIN"))
"""They answer with what they have taken away."""


def uses_of(command: Command) -> tuple[Use, ...]:
    """What a command uses of its database; unknown ones may write all of it.

    Args:
        command: With its name; not a script, nor one of those above.
    """
    name, words = name_of(command), command[1:]
    rule = _RULES.get(name)
    try:
        return tuple(rule(words)) if rule is not None else ((None, WRITE),)
    except (IndexError, ValueError):
        return ()  # not what the command takes: the server will refuse it


def is_vain(command: Command, reply: object) -> bool:
    """True if a command has surely changed nothing.

    Args:
        command: What was asked.
        reply: The answer.
    """
    name = name_of(command)
    if name == "SET":  # with NX or XX; with GET, the answer is the old value
        return reply is None and b"GET" not in map(bytes.upper, command[3:])
    return (name in _COUNTING and reply == 0) or (name in _TAKING and (reply is None or reply == []))


def is_known(command: Command) -> bool:
    """True if it is in the tables."""
    name = name_of(command)
    return name in _RULES or name in SILENT or name in LISTENING or name in SCRIPTS or name in EVERY_DATABASE


def patience(command: Command) -> float | None:
    """For how many seconds a command waits for what it reads: infinity if for ever, None if it does not wait."""
    name, words = name_of(command), command[1:]
    if name not in _BLOCKING:
        return None
    try:
        if name in ("XREAD", "XREADGROUP"):
            options = [word.upper() for word in words[: _streams_at(words)]]
            return float(words[options.index(b"BLOCK") + 1]) / 1000 or _FOR_EVER if b"BLOCK" in options else None
        return float(words[0] if name in ("BLMPOP", "BZMPOP") else words[-1]) or _FOR_EVER
    except (IndexError, ValueError):
        return None


_FOR_EVER = float("inf")

Rule = Callable[[Sequence[bytes]], Iterable[Use]]


def _first(mode: Mode) -> Rule:
    return lambda words: [(words[0], mode)]


def _second(mode: Mode) -> Rule:
    return lambda words: [(words[1], mode)] if len(words) > 1 else []


def _every(mode: Mode, start: int = 0, stop: int | None = None, step: int = 1) -> Rule:
    return lambda words: [(word, mode) for word in words[start:stop:step]]


def _counted(mode: Mode, at: int = 0) -> Rule:
    """Keys after their number."""
    return lambda words: [(word, mode) for word in words[at + 1 : at + 1 + int(words[at])]]


def _both(*rules: Rule) -> Rule:
    return lambda words: [use for rule in rules for use in rule(words)]


def _from_to(source: Mode) -> Rule:
    return lambda words: [(words[0], source), (words[1], WRITE)]


def _into(words: Sequence[bytes]) -> list[Use]:
    return [(words[0], WRITE), (words[1], READ)]


def _whole(mode: Mode) -> Rule:
    return lambda words: [(None, mode)]


def _streams_at(words: Sequence[bytes]) -> int:
    return [word.upper() for word in words].index(b"STREAMS")


def _streams(mode: Mode) -> Rule:
    def rule(words: Sequence[bytes]) -> list[Use]:
        after = words[_streams_at(words) + 1 :]
        return [(word, mode) for word in after[: len(after) // 2]]

    return rule


def _stored(words: Sequence[bytes]) -> list[Use]:
    """SORT and GEORADIUS: a key, and perhaps where the result goes. Patterns may read any other key."""
    options = [word.upper() for word in words]
    uses: list[Use] = [(words[0], READ)]
    for option in (b"STORE", b"STOREDIST"):
        if option in options[1:]:
            uses.append((words[options.index(option, 1) + 1], WRITE))
    return [*uses, (None, READ)] if b"BY" in options or b"GET" in options else uses


_RULES: dict[str, Rule] = {
    **dict.fromkeys(_words(_FIRST_READ), _first(READ)),
    **dict.fromkeys(_words(_FIRST_WRITTEN), _first(WRITE)),
    **dict.fromkeys(_words("MGET EXISTS SINTER SUNION SDIFF PFCOUNT WATCH TOUCH"), _every(READ)),
    **dict.fromkeys(_words("DEL UNLINK"), _every(WRITE)),
    **dict.fromkeys(_words("MSET MSETNX"), _every(WRITE, step=2)),
    **dict.fromkeys(_words("BLPOP BRPOP BZPOPMIN BZPOPMAX"), _every(WRITE, stop=-1)),
    **dict.fromkeys(_words("ZINTER ZUNION ZDIFF SINTERCARD ZINTERCARD"), _counted(READ)),
    **dict.fromkeys(_words("LMPOP ZMPOP"), _counted(WRITE)),
    **dict.fromkeys(_words("BLMPOP BZMPOP"), _counted(WRITE, at=1)),
    **dict.fromkeys(_words("SINTERSTORE SUNIONSTORE SDIFFSTORE PFMERGE"), _both(_first(WRITE), _every(READ, start=1))),
    **dict.fromkeys(_words("ZINTERSTORE ZUNIONSTORE ZDIFFSTORE"), _both(_first(WRITE), _counted(READ, at=1))),
    **dict.fromkeys(_words("ZRANGESTORE GEOSEARCHSTORE"), _into),
    **dict.fromkeys(_words("RENAME RENAMENX SMOVE LMOVE RPOPLPUSH BLMOVE BRPOPLPUSH"), _from_to(WRITE)),
    **dict.fromkeys(_words("OBJECT XINFO MEMORY"), _second(READ)),
    **dict.fromkeys(_words("DBSIZE KEYS RANDOMKEY SCAN"), _whole(READ)),
    **dict.fromkeys(_words("SORT GEORADIUS GEORADIUSBYMEMBER"), _stored),
    "BITOP": _both(_second(WRITE), _every(READ, start=2)),
    "COPY": _from_to(READ),
    "FLUSHDB": _whole(WRITE),
    "LCS": _every(READ, stop=2),
    "SORT_RO": _stored,
    "XGROUP": _second(WRITE),
    "XREAD": _streams(READ),
    "XREADGROUP": _streams(WRITE),
}
