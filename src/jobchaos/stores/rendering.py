"""Rendering: Python values as rows of a table, so that states of memory can be compared and shown."""

from __future__ import annotations

import datetime
import functools
import hashlib
import re
import sys
import types
from collections import deque
from collections.abc import Mapping
from typing import Any

from jobchaos.core.snapshot import Cell, Row, Table
from jobchaos.stores.attributes import attributes_of

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_DEPTH = 50  # levels that are looked at; Python's stack is not much deeper
_LONG = 2000  # characters of a part
_SHOWN = 60
_MANY = 10_000  # parts
_NOWHERE = sys.maxsize
_PLAIN = (types.NoneType, int, float, str, bytes)


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
    if isinstance(value, _PLAIN):
        return value
    return _Texts().of(value)


def is_opaque(value: Any) -> bool:
    """True for a value that shows nothing of what is in it but its address."""
    is_known = isinstance(value, (*_PLAIN, Mapping, list, tuple, deque, set, frozenset))
    return not is_known and not attributes_of(value) and without_address(value) != repr(value)


def without_address(value: Any) -> str:
    """The `repr` of a value, the same for all of its kind that show nothing but their addresses."""
    return _ADDRESS.sub("", repr(value))


def _pairs(mapping: Mapping[Any, Any]) -> tuple[Row, ...]:
    return tuple((cell_of(key), cell_of(item)) for key, item in mapping.items())


class _Texts:
    """Texts of values that may share parts, or contain themselves; each part is written once, however often it occurs.

    A long part is told by its beginning and a digest, or what shares parts on many levels would have a text without
    end.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str]] = {}  # with the value, or another could get its id
        self._above: dict[int, int] = {}  # what is being written, and how deep it is
        self._cut = _NOWHERE
        self._written_so_far = 0

    def of(self, value: Any) -> str:
        """The text of a value, at full length."""
        if id(value) in self._known:
            return self._known[id(value)][1]
        if id(value) in self._above:
            self._cut = min(self._cut, self._above[id(value)])
            return "..."
        if len(self._above) == _DEPTH and not isinstance(value, _PLAIN):
            return f"{type(value).__name__}(...)"
        cut_before, self._cut = self._cut, _NOWHERE
        depth = self._above[id(value)] = len(self._above)
        try:
            text = self._written(value)
        finally:
            del self._above[id(value)]
        # Either nothing in it depends on what is above it, or there are so many loops that every way through them would
        # take for ever.
        self._written_so_far += 1
        if self._cut >= depth or self._written_so_far > _MANY:
            self._known[id(value)] = value, text
            self._cut = _NOWHERE
        self._cut = min(self._cut, cut_before)
        return text

    def _part(self, value: Any) -> str:
        text = self.of(value)
        return text if len(text) <= _LONG else f"{text[:_SHOWN]}... {hashlib.sha256(text.encode()).hexdigest()}"

    def _written(self, value: Any) -> str:
        if isinstance(value, Mapping):
            pairs = (f"{self._part(key)}: {self._part(item)}" for key, item in value.items())
            return "{" + ", ".join(sorted(pairs)) + "}"
        if isinstance(value, set | frozenset):
            return "{" + ", ".join(sorted(map(self._part, value))) + "}"
        if isinstance(value, list | tuple | deque):
            return "[" + ", ".join(map(self._part, value)) + "]"
        if isinstance(value, datetime.datetime):  # as texts that hold times have it, and with a fraction that is 0
            return datetime.datetime.isoformat(value, " ", "microseconds")
        attributes = {} if isinstance(value, type) or callable(value) else attributes_of(value)
        if attributes:
            inside = ", ".join(f"{name}={self._part(item)}" for name, item in sorted(attributes.items()))
            return f"{type(value).__name__}({inside})"
        if isinstance(value, functools.partial):
            return f"partial({self._part(value.func)}, {self._part(value.args)}, {self._part(value.keywords)})"
        return _named(value)


def _named(value: Any) -> str:
    """What has no parts, by a `repr` that runs no Python: lazy objects would wake up, and do whatever they are for."""
    if isinstance(value, types.MethodType):
        return f"<bound method {value.__func__.__qualname__}>"
    if isinstance(value, type):
        return f"<class '{value.__module__}.{value.__qualname__}'>"
    kind = type(value)
    if isinstance(kind.__repr__, types.FunctionType):
        return f"<{kind.__module__}.{kind.__qualname__}>"
    return without_address(value)
