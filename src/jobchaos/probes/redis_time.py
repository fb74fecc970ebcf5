"""Redis commands about time, put so that a server whose clock is real answers them in virtual time.

Between commands, every key that expires is anchored (`core/expiry.py`). `PREPARE` runs before a command and deletes
what has expired; with `LOOSEN` it also gives the key, for the command's own moment, the time to live that it has left.
`ANCHOR_AGAIN` runs after it, and tells what each key has left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.core.expiry import ANCHOR
from jobchaos.probes.redis_protocol import Command, name_of

_words = str.split
_MILLISECOND = 10**6

PREPARE = b"""
local names = KEYS
if #names == 0 then names = redis.call('KEYS', '*') end
for _, name in ipairs(names) do
  local left = redis.call('PEXPIRETIME', name) - ARGV[1]
  if left >= 0 then
    left = left - ARGV[2]
    if left <= 0 then redis.call('DEL', name)
    elseif ARGV[3] == '1' then redis.call('PEXPIRE', name, string.format('%d', left)) end
  end
end
return 0
"""
ANCHOR_AGAIN = b"""
local names = KEYS
if #names == 0 then names = redis.call('KEYS', '*') end
local lefts = {}
for i, name in ipairs(names) do
  lefts[i] = redis.call('PTTL', name)
  if lefts[i] >= 0 then
    if redis.call('PEXPIRETIME', name) < tonumber(ARGV[1]) then
      redis.call('PEXPIREAT', name, string.format('%d', ARGV[1] + ARGV[2] + lefts[i]))
    else
      lefts[i] = redis.call('PEXPIRETIME', name) - ARGV[1] - ARGV[2]
    end
  end
end
return lefts
"""

TIMING = frozenset(
    _words("""
    COPY EVAL EVALSHA EXPIRE EXPIREAT FCALL GETEX MSETEX PERSIST PEXPIRE PEXPIREAT PSETEX RENAME RENAMENX RESTORE SETEX
    """)
)
"""They may give a key a time to live, or move it to another."""

_GIVEN = frozenset((b"EX", b"PX", b"EXAT", b"PXAT", b"KEEPTTL"))
Fix = Callable[[Any], Any]


def sets_time(command: Command) -> bool:
    """True if a command may give a key a time to live."""
    name = name_of(command)
    return name in TIMING or (name == "SET" and not _GIVEN.isdisjoint(word.upper() for word in command[3:]))


def script(text: bytes, keys: Sequence[bytes], elapsed: int, *, loosen: bool = False) -> Command:
    """One of the scripts above as a command.

    Args:
        text: The script.
        keys: The keys to look at; if none, all.
        elapsed: Nanoseconds of virtual time since the run began.
        loosen: See above.
    """
    options = (b"%d" % ANCHOR, b"%d" % (elapsed // _MILLISECOND), b"1" if loosen else b"0")
    return (b"EVAL", text, b"%d" % len(keys), *keys, *options)


def in_virtual_time(command: Command, now: int, elapsed: int) -> tuple[Command, Fix | None]:
    """What to send instead of a command, and how to change the reply; None to leave it.

    Args:
        command: A command of the job's.
        now: Virtual nanoseconds since the epoch.
        elapsed: Those since the run began.
    """
    name = name_of(command)
    now, elapsed = now // _MILLISECOND, elapsed // _MILLISECOND
    try:
        if name in _QUESTIONS and len(command) > 1:
            absolute, seconds = _QUESTIONS[name]
            return (b"PEXPIRETIME", command[1]), _answer(now if absolute else 0, elapsed, seconds)
        if name in ("EXPIREAT", "PEXPIREAT"):
            at = int(command[2]) * (1000 if name == "EXPIREAT" else 1)
            return (b"PEXPIRE", command[1], b"%d" % (at - now), *command[3:]), None
        if name in ("SET", "GETEX"):
            return _relative(command, 3 if name == "SET" else 2, now), None
    except (IndexError, ValueError):
        pass  # the server will refuse it
    return command, None


_QUESTIONS = {
    "EXPIRETIME": (True, True),
    "PEXPIRETIME": (True, False),
    "PTTL": (False, False),
    "TTL": (False, True),
}
"""Whether they ask for a point in time, and whether in seconds."""


def _answer(origin: int, elapsed: int, in_seconds: bool) -> Fix:
    def fix(at: Any) -> Any:
        if not isinstance(at, int) or at < 0:
            return at
        left = origin + at - ANCHOR - elapsed
        return (left + 500) // 1000 if in_seconds else left

    return fix


def _relative(command: Command, start: int, now: int) -> Command:
    words = list(command)
    for at, word in enumerate(words[start:], start):
        if word.upper() in (b"EXAT", b"PXAT"):
            moment = int(words[at + 1]) * (1000 if word.upper() == b"EXAT" else 1)
            words[at : at + 2] = [b"PX", b"%d" % max(1, moment - now)]
            break
    return tuple(words)
