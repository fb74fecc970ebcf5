"""SQLiteClock: SQLite's functions of date and time, so that `now` is virtual in them.

SQLite reads `CURRENT_TIMESTAMP` as the call of a function without arguments, and a connection may replace functions.
Replaced ones work wherever SQLite itself calls them: in queries, triggers, views, generated columns and defaults. A
replacement puts the virtual moment in place of `now`, and leaves the rest to SQLite's own function.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

_connect: Callable[..., sqlite3.Connection] = sqlite3.connect  # the genuine one: while a check runs, it is replaced
_AT = {"date": 0, "time": 0, "datetime": 0, "julianday": 0, "unixepoch": 0, "strftime": 1}
"""Function to where its moment stands among its arguments; without one, it is now."""
_BARE = {"current_timestamp": "datetime", "current_date": "date", "current_time": "time"}
_MILLISECOND = 10**6
_EPOCH = 210_866_760_000_000  # milliseconds: the Julian day number 2440587.5, as SQLite counts (date.c)
_DAY = 86_400_000
_SHORTEST = len("2030-01-01 12:00")
_WITH_UNIXEPOCH = (3, 38)
_SHIFT = re.compile(
    r"\b(?:unixepoch|strftime)\s*\([^()]*\)(?:\s+AS\s+INT(?:EGER)?\s*\))?\s*(?P<sign>[+-])\s*"
    r"(?:(?P<seconds>\d+)\b|(?P<parameter>\?\d*|[:@$]\w+))"
    r"|'now'\s*,\s*'\s*(?P<number>[+-]?\d+)\s*(?P<unit>second|minute|hour|day)s?\s*'",
    re.IGNORECASE,
)
_TEXT = re.compile(r"'[^']*'")
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class SQLiteClock:
    """The functions of all connections to one database.

    Args:
        version: SQLite's. Older ones do not know all the functions.
    """

    def __init__(self, version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
        self._names = tuple(name for name in _AT if name != "unixepoch" or version >= _WITH_UNIXEPOCH)
        self._genuine: sqlite3.Connection | None = None
        self._is_over = False

    def show_on(self, connection: sqlite3.Connection, told: list[Any]) -> None:
        """Let a connection see the time that the thread sees that uses it.

        Args:
            connection: Any one to the database.
            told: Gets every moment that a statement makes from the present one.
        """
        # Deterministic, as only such may be in an index: virtual time stands still within a statement.
        for name in self._names:
            connection.create_function(name, -1, self._function(name, told), deterministic=True)
        for name, meant in _BARE.items():
            connection.create_function(name, 0, self._function(meant, told), deterministic=True)

    def close(self) -> None:
        """Let go of SQLite's own functions. Connections that somebody keeps see real time from now on."""
        self._is_over = True
        if self._genuine is not None:
            self._genuine.close()
            self._genuine = None

    def _function(self, name: str, told: list[Any]) -> Callable[..., Any]:
        place = _AT[name]

        def function(*arguments: Any) -> Any:
            if self._is_over or not _is_now(arguments, place):
                return self._call(name, arguments)
            moment = time.time_ns() // _MILLISECOND  # SQLite's own clock knows no less
            shifted = self._call(name, (*arguments[:place], (moment + _EPOCH) / _DAY, *arguments[place + 1 :]))
            is_shifted = name == "unixepoch" and len(arguments) > 1
            told.extend((moment, shifted) if is_shifted or _tells(shifted) else (moment,))
            return shifted

        return function

    def _call(self, name: str, arguments: Sequence[Any]) -> Any:
        query = f"SELECT {name}({', '.join('?' * len(arguments))})"
        if self._is_over:  # sqlite3 cannot take a function back
            with contextlib.closing(_connect(":memory:")) as genuine:
                return genuine.execute(query, arguments).fetchone()[0]
        if self._genuine is None:
            self._genuine = _connect(":memory:", check_same_thread=False)
        return self._genuine.execute(query, arguments).fetchone()[0]


def moments_of(sql: str, parameters: Any, told: Sequence[Any]) -> tuple[Any, ...]:
    """The moments that a statement has made from the present one, and those of conditions that were not reached.

    Args:
        sql: Its text.
        parameters: Its bound values, by position or by name.
        told: What its functions have given, with the present moment as a number.
    """
    present = next(moment for moment in told if isinstance(moment, int))
    shifts = (sign * _value(seconds, parameters) for sign, seconds in _shifts(sql))
    return (*told, *(present + round(1000 * shift) for shift in shifts if shift))


@functools.lru_cache(maxsize=256)
def _shifts(sql: str) -> tuple[tuple[int, int | str], ...]:
    """Signs and seconds that a text adds to now: `unixepoch() + 60`, `datetime('now', '-5 minutes')`.

    In place of seconds that are a parameter, how to find it: `:ttl`, or `?3` for the third one.
    """
    return tuple(
        (-1 if one["sign"] == "-" else 1, _parameter(sql, one))
        if one["parameter"]
        else (1, int(one["sign"] + one["seconds"]) if one["sign"] else int(one["number"]) * _UNITS[one["unit"].lower()])
        for one in _SHIFT.finditer(sql)
    )


def _parameter(sql: str, found: re.Match[str]) -> str:
    if found["parameter"] != "?":
        return found["parameter"]
    return f"?{_TEXT.sub('', sql[: found.end()]).count('?')}"


def _value(seconds: int | str, parameters: Any) -> float:
    """Seconds; 0 if they are a parameter that is no number."""
    if isinstance(seconds, int):
        return seconds
    try:
        value = parameters[int(seconds[1:]) - 1] if seconds[0] == "?" else parameters[seconds[1:]]
    except (LookupError, TypeError):
        return 0
    return value if isinstance(value, int | float) and abs(value) < _DAY else 0


def _is_now(arguments: Sequence[Any], place: int) -> bool:
    if len(arguments) == place:
        return True
    moment = arguments[place] if len(arguments) > place else None
    return isinstance(moment, str) and moment.lower() == "now"


def _tells(value: Any) -> bool:
    """Whether a value tells a date and a time; days, years and times of day alone do not."""
    return isinstance(value, str) and len(value) >= _SHORTEST
