"""Rendering: Python values as rows of a table, so that states of memory can be compared and shown."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from jobchaos.core.snapshot import Cell, Row, Table
from jobchaos.stores.attributes import attributes_of

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def table_of(value: Any) -> Table:
    """A value as a table: a mapping by key, a sequence by position, a set by member, an object by attribute."""
    if isinstance(value, Mapping):
        return Table(("key", "value"), _pairs(value), ("key",))
    if isinstance(value, list | tuple | deque):
        rows: tuple[Row, ...] = tuple((index, cell_of(item)) for index, item in enumerate(value))
        return Table(("index", "value"), rows, ("index",))
    if isinstance(value, set | frozenset):
        return Table(("value",), tuple((cell_of(item),) for item in value))
    attributes = attributes_of(value)
    if attributes:
        return Table(("attribute", "value"), _pairs(attributes), ("attribute",))
    return Table(("value",), ((cell_of(value),),))


def cell_of(value: Any) -> Cell:
    """A value as one cell: itself if it is plain, else a text that is the same for equal values."""
    if value is None or isinstance(value, int | float | str | bytes):
        return value
    return _text(value, ())


def _pairs(mapping: Mapping[Any, Any]) -> tuple[Row, ...]:
    return tuple((cell_of(key), cell_of(item)) for key, item in mapping.items())


def _text(value: Any, above: tuple[int, ...]) -> str:
    if id(value) in above:
        return "..."
    above = (*above, id(value))
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(sorted(f"{_text(key, above)}: {_text(item, above)}" for key, item in value.items())) + "}"
        )
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(_text(item, above) for item in value)) + "}"
    if isinstance(value, list | tuple | deque):
        return "[" + ", ".join(_text(item, above) for item in value) + "]"
    attributes = {} if isinstance(value, type) or callable(value) else attributes_of(value)
    if attributes:
        inside = ", ".join(f"{name}={_text(item, above)}" for name, item in sorted(attributes.items()))
        return f"{type(value).__name__}({inside})"
    return _ADDRESS.sub("", repr(value))
