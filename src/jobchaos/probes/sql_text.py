"""SQL text: what can be told of a statement by its words alone, in any dialect."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

_LEADING = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(rf"{_LEADING.pattern}([a-z]+)", re.IGNORECASE | re.DOTALL)
_TABLE = re.compile(r"\b(?:into|update|from|join)\s+(?:only\s+)?([\w\"`.]+)", re.IGNORECASE)
_LONGEST = 400


@functools.lru_cache(maxsize=2048)
def verb_of(sql: str) -> str:
    """Its first keyword, in capitals; empty if it has none."""
    match = _WORD.match(sql)
    return "" if match is None else match.group(1).upper()


@functools.lru_cache(maxsize=2048)
def tables_of(sql: str) -> tuple[str, ...]:
    """The tables it names, without their schema."""
    return tuple(
        dict.fromkeys(name.replace('"', "").replace("`", "").rpartition(".")[2] for name in _TABLE.findall(sql))
    )


def told(sql: str, params: Any) -> str:
    """The statement with its values, for people."""
    text = " ".join(sql[: 4 * _LONGEST].split())
    if params:
        values: Any = (
            {key: repr(value) for key, value in params.items()}
            if isinstance(params, Mapping)
            else tuple(map(repr, params))
        )
        try:
            text = text % values
        except (TypeError, ValueError, KeyError):
            text = f"{text} {values!r}"
    return text.replace('"', "")
