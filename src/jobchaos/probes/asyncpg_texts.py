"""What asyncpg sends and gets, as plain values and for people."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

_MOMENTS = (datetime.date, datetime.time, datetime.timedelta)
_LONGEST = 60


def plain(values: Iterable[Any]) -> tuple[Any, ...]:
    """Bound values as the drivers that send texts have them."""
    return tuple(str(value) if isinstance(value, uuid.UUID) else value for value in values)


def answer_of(records: Sequence[Any], status: str) -> str:
    """What a statement has led to, for people: `-> 3`, `-> 2 rows`, `1 row`.

    Args:
        records: The rows that it returns.
        status: The command's tag: `UPDATE 1`, `INSERT 0 1`, `SELECT 2`, `BEGIN`.
    """
    if len(records) > 1:
        return f"-> {len(records)} rows"
    if records:
        cells = [_cell(value) for value in records[0]]
        return f"-> {cells[0]}" if len(cells) == 1 else f"-> ({', '.join(cells)})"
    verb, _, count = status.partition(" ")
    count = count.rpartition(" ")[2]
    if verb in ("SELECT", "FETCH"):
        return "-> no row"
    return "" if not count.isdigit() else "1 row" if count == "1" else f"{count} rows"


def _cell(value: Any) -> str:
    """One value of a row. What the server makes of its own clock is left out."""
    if isinstance(value, _MOMENTS):
        return "..."
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, int | float | decimal.Decimal):
        return str(value)
    text = repr(str(value) if isinstance(value, uuid.UUID) else value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
