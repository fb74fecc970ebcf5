"""RowKeys: the rows that one SQLite statement names by their primary key."""

from __future__ import annotations

import contextlib
import re
import uuid
from dataclasses import dataclass
from typing import Any

from jobchaos.probes.table_facts import KeyColumn

WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
"""Whole numbers that SQLite reads as integers, written plainly."""
_LARGEST = 2**63


@dataclass(frozen=True, slots=True)
class Bound:
    """A value that comes with each call.

    Attributes:
        at: Index into a sequence of parameters, or key of a mapping.
    """

    at: int | str


Value = int | str | Bound


@dataclass(frozen=True, slots=True)
class RowKeys:
    """The rows that one statement names.

    Attributes:
        table: Their table, in small letters.
        columns: The table's key.
        rows: For each row, the values of these columns.
        at_most_one: Whether it is a query that finds one row or none.
    """

    table: str
    columns: tuple[KeyColumn, ...]
    rows: tuple[tuple[Value, ...], ...]
    at_most_one: bool = False

    def values(self, parameters: Any) -> list[Any]:
        """The key of the first row, as it is bound; None where that is not plain to see."""
        return [_bound(value.at, parameters) if type(value) is Bound else value for value in self.rows[0]]

    def of(self, parameters: Any) -> list[str] | None:
        """The keys, as parts of resource paths: `id=42`.

        Args:
            parameters: The bound values.

        Returns:
            None if a value is not a plain number or text, so that the row is not known.
        """
        keys = []
        for row in self.rows:
            key = ""
            for column, value in zip(self.columns, row):  # noqa: B905 - strict takes longer, and this is a hot path
                part = _part(_bound(value.at, parameters) if type(value) is Bound else value, column)
                if part is None:
                    return None
                key = f"{key},{column.name}={part}" if key else f"{column.name}={part}"
            keys.append(key)
        return keys


def _bound(at: int | str, parameters: Any) -> Any:
    """The value that sqlite3 binds; None, which names no row, if that is not plain to see."""
    kind = type(parameters)
    try:
        if kind is tuple or kind is list:
            return parameters[at] if type(at) is int else None
        return parameters[at] if kind is dict and type(at) is str else None
    except LookupError:
        return None


def _part(value: Any, column: KeyColumn) -> str | None:
    """One value, such that values that SQLite takes for equal in this column give equal texts."""
    if type(value) is int:
        return str(value) if -_LARGEST <= value < _LARGEST else None
    if type(value) is not str:
        return None
    if column.uuid:
        return _uuid(value)
    if column.numeric:
        return str(int(value)) if WHOLE.fullmatch(value) else None
    if "/" in value or "%" in value or "," in value:
        return value.replace("%", "%25").replace("/", "%2F").replace(",", "%2C")
    return value


def _uuid(value: str) -> str | None:
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(value))
    return None
