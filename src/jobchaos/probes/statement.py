"""Statement: what one SQLite statement reads and writes, and how it is told."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobchaos.core.effect import Mode, Touch
from jobchaos.probes.row_keys import RowKeys

_LEADING = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(rf"{_LEADING.pattern}([a-z]+)", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\?\d*|[:@$][a-z_]\w*", re.IGNORECASE)
_QUALIFIER = re.compile(r'"([a-z_]\w*)"\."[a-z_]\w*"', re.IGNORECASE)
_QUOTED = re.compile(r"""'(?:[^']|'')*'|(?:"(?P<table>[a-z_]\w*)"\.)?"(?P<name>[a-z_]\w*)\"""", re.IGNORECASE)
_LONGEST = 160
_MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class Statement:
    """One kind of statement.

    Attributes:
        verb: Its first keyword, in capitals.
        touches: Tables read and written; the whole database where SQLite could not be asked.
        rows: The rows of a table that it is known to keep to, if any.
        is_counted: Whether the database's count of changed rows tells if it has changed anything.
        look: A query of all that it may change, with the key of the one row as parameters; empty if there is none.
        writes: The touches that change something.
    """

    verb: str
    touches: tuple[Touch, ...]
    rows: RowKeys | None = None
    is_counted: bool = False
    look: str = ""
    writes: tuple[Touch, ...] = field(init=False)
    _keyed: tuple[Touch, ...] = field(init=False)
    _others: tuple[Touch, ...] = field(init=False)
    _by_keys: dict[tuple[str, ...], tuple[Touch, ...]] = field(default_factory=dict, init=False, compare=False)

    def __post_init__(self) -> None:
        suffix = None if self.rows is None else f"/{self.rows.table}"
        keyed = tuple(touch for touch in self.touches if suffix and touch.resource.lower().endswith(suffix))
        object.__setattr__(self, "_keyed", keyed)
        object.__setattr__(self, "_others", tuple(touch for touch in self.touches if touch not in keyed))
        object.__setattr__(self, "writes", tuple(touch for touch in self.touches if touch.mode is not Mode.READ))

    def under(self, base: str) -> Statement:
        """The same on one of the databases that it was compiled for.

        Args:
            base: Resource path of the database, in front of its own touches.
        """
        touches = tuple(Touch(f"{base}{touch.resource}", touch.mode) for touch in self.touches)
        return dataclasses.replace(self, touches=touches)

    def touches_of(self, calls: Sequence[Any]) -> tuple[Touch, ...]:
        """What it touches with given values: rows where they are known, else tables.

        Args:
            calls: Its bound values, once for each time it runs.
        """
        if self.rows is None or len(calls) > _MOST_KEYS:
            return self.touches
        keys: list[str] = []
        for parameters in calls:
            some = self.rows.of(parameters)
            if some is None:
                return self.touches
            keys += some
        known = self._by_keys.get(tuple(keys))
        if known is None:
            rows = tuple(Touch(f"{table}/{key}", mode) for key in keys for table, mode in self._keyed)
            known = self._by_keys[tuple(keys)] = self._others + rows
        return known

    def outcome(self, result: object) -> str:
        """How many rows it changed, for people; empty for what changes none.

        Args:
            result: What ran it: a cursor.
        """
        count = getattr(result, "rowcount", -1)
        if not self.writes or not isinstance(count, int) or count < 0:
            return ""
        return f"{count} row" if count == 1 else f"{count} rows"


def first_word(sql: str) -> str:
    """The first keyword of a statement, in capitals."""
    match = _WORD.match(sql)
    return match.group(1).upper() if match else ""


def split_script(script: str) -> Iterator[str]:
    """The statements of a script, one by one."""
    start = 0
    for position, character in enumerate(script):
        if character == ";" and sqlite3.complete_statement(script[start : position + 1]):
            yield script[start : position + 1].strip()
            start = position + 1
    if first_word(script[start:]):  # not just a comment
        yield script[start:].strip()


def label(sql: str, parameters: Any) -> str:
    """The statement on one line, with its parameters filled in, for people."""
    if not parameters:
        return _one_line(sql)
    positional = iter(parameters if not isinstance(parameters, dict | str) and isinstance(parameters, Sequence) else ())

    def fill(match: re.Match[str]) -> str:
        token = match.group()
        if token[0] in "'\"":
            return token
        if token[0] == "?" and len(token) == 1:
            return literal(next(positional, None))
        if token[0] == "?":
            return literal(parameters[int(token[1:]) - 1])
        if isinstance(parameters, Mapping) and token[1:] in parameters:
            return literal(parameters[token[1:]])
        return token

    with contextlib.suppress(LookupError, TypeError):  # a wrong parameter: the statement itself will say so
        sql = _TOKEN.sub(fill, sql)
    return _one_line(sql)


@functools.lru_cache(maxsize=1024)
def _one_line(sql: str) -> str:
    text = _unquoted(" ".join(_LEADING.sub("", sql, count=1).split()))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _unquoted(text: str) -> str:
    """Without the quotes and table names that an ORM puts before every column, if all are of one table."""
    tables = set(_QUALIFIER.findall(text))

    def bare(match: re.Match[str]) -> str:
        table, name = match["table"], match["name"]
        if name is None:
            return match.group()
        return name if table is None or len(tables) == 1 else f"{table}.{name}"

    return _QUOTED.sub(bare, text)


def literal(value: object) -> str:
    """A bound value as SQL would write it."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"x'{bytes(value).hex()}'"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"
