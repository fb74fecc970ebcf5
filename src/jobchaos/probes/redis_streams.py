"""Streams: entries whose IDs are made of the time get them from virtual time."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

from jobchaos.probes.redis_protocol import Command, name_of

_MILLISECOND = 10**6


def with_id(command: Command, now: int) -> Generator[Sequence[Command], list[Any], Command]:
    """An XADD that lets the server choose the ID, with the one that it would choose in virtual time.

    The server takes the time in milliseconds, or the last ID's if that is greater, and a number within it:
    https://redis.io/docs/latest/develop/data-types/streams/#entry-ids

    Args:
        command: Any command; all others are returned as they are.
        now: Virtual nanoseconds since the epoch.
    """
    at = _place_of_id(command)
    if at is None:
        return command
    time.time()  # what the job's clock shows is in its state from now on; this look at it tells so
    (info,) = yield [(b"XINFO", b"STREAM", command[1])]
    milliseconds = max(now // _MILLISECOND, _last_milliseconds(info))
    return (*command[:at], b"%d-*" % milliseconds, *command[at + 1 :])


def _place_of_id(command: Command) -> int | None:
    if name_of(command) != "XADD":
        return None
    at = 2
    while at < len(command):
        word = command[at].upper()
        if word in (b"MAXLEN", b"MINID"):
            at += 2 + (command[at + 1 : at + 2] in ((b"~",), (b"=",)))
        elif word == b"LIMIT":
            at += 2
        elif word in (b"NOMKSTREAM", b"KEEPREF", b"DELREF", b"ACKED"):
            at += 1
        else:
            return at if word == b"*" else None
    return None


def _last_milliseconds(info: Any) -> int:
    """Of the stream's last ID, from what XINFO tells in either protocol; 0 if there is no stream."""
    if isinstance(info, list):
        info = dict(zip(info[::2], info[1::2], strict=False))
    last = info.get(b"last-generated-id") if isinstance(info, dict) else None
    return int(last.split(b"-")[0]) if isinstance(last, bytes) else 0
