"""Values of Redis as rows of tables, one table for each type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jobchaos.core.snapshot import Cell, Row, Table

Rows = Mapping[str, Sequence[Row]]
"""Rows by table, without what tells the key's time to live."""

REMOVED, EXPIRING = "removed", "expiring"
_TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "strings": (("key", "value"), ("key",)),
    "hashes": (("key", "field", "value"), ("key", "field")),
    "lists": (("key", "index", "value"), ("key", "index")),
    "sets": (("key", "member"), ("key", "member")),
    "sorted sets": (("key", "member", "score"), ("key", "member")),
    "streams": (("key", "id", "entry"), ("key", "id")),
    "groups": (("key", "group", "last delivered"), ("key", "group")),
    "pending": (("key", "group", "id", "consumer", "deliveries"), ("key", "group", "id")),
    "others": (("key", "type", "content"), ("key",)),
    EXPIRING: (("key",), ("key",)),
    REMOVED: (("key",), ("key",)),
}


def tables(rows: Mapping[str, Iterable[Row]]) -> dict[str, Table]:
    """Tables of rows; those without rows are left out."""
    made = {name: tuple(sorted(rows.get(name, ()), key=repr)) for name in _TABLES}
    return {name: Table(_TABLES[name][0], found, _TABLES[name][1]) for name, found in made.items() if found}


def cell(data: Any) -> Cell:
    """Text if it is text."""
    if not isinstance(data, bytes):
        return data if data is None or isinstance(data, int | float | str) else str(data)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def read(client: Any, key: bytes, dump: bytes) -> Rows:
    """The value of a key that exists.

    Args:
        client: A client that does not decode replies.
        key: The key.
        dump: What DUMP gives, for types that are not known.
    """
    kind = client.type(key).decode()
    reader = _READERS.get(kind)
    return reader(client, key) if reader is not None else {"others": [(cell(key), kind, dump)]}


def _string(client: Any, key: bytes) -> Rows:
    return {"strings": [(cell(key), cell(client.get(key)))]}


def _hash(client: Any, key: bytes) -> Rows:
    return {"hashes": [(cell(key), cell(field), cell(value)) for field, value in client.hgetall(key).items()]}


def _list(client: Any, key: bytes) -> Rows:
    return {"lists": [(cell(key), index, cell(value)) for index, value in enumerate(client.lrange(key, 0, -1))]}


def _set(client: Any, key: bytes) -> Rows:
    return {"sets": [(cell(key), cell(member)) for member in client.smembers(key)]}


def _sorted_set(client: Any, key: bytes) -> Rows:
    members = client.zrange(key, 0, -1, withscores=True)
    return {"sorted sets": [(cell(key), cell(member), float(score)) for member, score in members]}


def _stream(client: Any, key: bytes) -> Rows:
    """Its entries, its groups, and what consumers have read and not acknowledged; not when they did."""
    entries = [(cell(key), cell(number), _entry(fields)) for number, fields in client.xrange(key)]
    groups: list[Row] = []
    pending: list[Row] = []
    for group in client.xinfo_groups(key):
        name = group["name"]
        groups.append((cell(key), cell(name), cell(group["last-delivered-id"])))
        if group["pending"]:
            for one in client.xpending_range(key, name, "-", "+", group["pending"]):
                told = one["message_id"], one["consumer"], one["times_delivered"]
                pending.append((cell(key), cell(name), *map(cell, told)))
    return {"streams": entries, "groups": groups, "pending": pending}


def _entry(fields: Any) -> str:
    return ", ".join(f"{cell(name)!s}={cell(value)!s}" for name, value in (fields or {}).items())


_READERS: Mapping[str, Callable[[Any, bytes], Rows]] = {
    "string": _string,
    "hash": _hash,
    "list": _list,
    "set": _set,
    "zset": _sorted_set,
    "stream": _stream,
}
