"""What psycopg sends and gets, as plain values and for people."""

from __future__ import annotations

import datetime
import re
import struct
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from jobchaos.probes.statement import label, literal

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\d+)")
_WHOLE = frozenset({20, 21, 23, 26})  # int8, int2, int4, oid: pg_type.dat
_NUMBERS = _WHOLE | {700, 701, 1700}
_BOOLEAN, _UUID, _DOUBLE = 16, 2950, 701
_WITH_ZONE = 1184
_MOMENTS = frozenset({1114, _WITH_ZONE})
_WIDTH = 8
_TIMES = frozenset({1082, 1083, 1114, 1184, 1266})
_TEXTS = frozenset({0, 19, 25, 1042, 1043})
_BINARY = 1
_LONGEST = 60


def parameters_of(query: Any) -> tuple[Any, ...]:
    """The values that psycopg has bound: numbers, texts, moments and None where that is plain; else as they are sent.

    Args:
        query: A `PostgresQuery`.
    """
    if not query.params:
        return ()
    kinds, formats = query.types or (0,) * len(query.params), query.formats or (0,) * len(query.params)
    return tuple(_plain(*each) for each in zip(query.params, kinds, formats, strict=True))


def _plain(value: Any, kind: int, form: int) -> Any:
    if value is None:
        return None
    data = bytes(value)
    if int(form) == _BINARY:
        if kind in _WHOLE:
            return int.from_bytes(data, "big", signed=True)
        if kind == _UUID:
            return str(uuid.UUID(bytes=data))
        if kind in _MOMENTS and len(data) == _WIDTH:
            return _moment(int.from_bytes(data, "big", signed=True), kind) or data
        if kind == _DOUBLE:
            return struct.unpack(">d", data)[0]
        return data.decode() if kind in (25, 1043) else data
    text = data.decode("utf-8", "replace")
    return int(text) if kind in _WHOLE else text


def _moment(microseconds: int, kind: int) -> datetime.datetime | None:
    """From the server's epoch, 2000-01-01; None for one that Python cannot tell, as `infinity`."""
    zone = datetime.timezone.utc if kind == _WITH_ZONE else None
    try:
        return datetime.datetime(2000, 1, 1, tzinfo=zone) + datetime.timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def shown(text: str, parameters: tuple[Any, ...]) -> str:
    """A statement with its values, on one line, for people."""
    if not parameters:
        return label(text, ())

    def fill(match: re.Match[str]) -> str:
        number = match[1]
        return literal(parameters[int(number) - 1]) if number and int(number) <= len(parameters) else match.group()

    return label(_TOKEN.sub(fill, text), ())


def answer_of(cursor: Any) -> str:
    """What a statement has led to, for people: `-> 3`, `-> 2 rows`, `1 row`."""
    results = () if cursor is None else cursor._results  # noqa: SLF001 - `pgresult` is the first of `executemany`'s
    if not results:
        return ""
    result = results[-1]
    if not result.nfields:
        count = -1 if result.command_tuples is None else result.command_tuples
        return "" if count < 0 else f"{count} row" if count == 1 else f"{count} rows"
    if result.ntuples != 1:
        return "-> no row" if not result.ntuples else f"-> {result.ntuples} rows"
    cells = [cell(result.ftype(at), result.fformat(at), result.get_value(0, at)) for at in range(result.nfields)]
    return f"-> {cells[0]}" if len(cells) == 1 else f"-> ({', '.join(cells)})"


def cell(kind: int, form: int, value: bytes | None) -> str:
    """One value of a row, as Python would show it. What the server makes of its own clock is left out."""
    if value is None:
        return "None"
    show = _SHOWN.get(kind)
    if kind in _TIMES:
        return "..."
    if int(form) == _BINARY:
        return str(int.from_bytes(value, "big", signed=True)) if kind in _WHOLE else f"{len(value)} bytes"
    text = value.decode("utf-8", "replace")
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return show(text) if show else repr(text)


_SHOWN: Mapping[int, Callable[[str], str]] = {
    **dict.fromkeys(_NUMBERS, str),
    _BOOLEAN: lambda text: str(text == "t"),
}
