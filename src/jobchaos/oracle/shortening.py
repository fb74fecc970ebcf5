"""Shortening: effects in a few words, for sentences."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import urlsplit

from jobchaos.core.effect import Effect

_SQL = re.compile(
    r"(INSERT|REPLACE|UPDATE|DELETE|SELECT)\b.*?\b(?:(?:INTO|FROM)\s+|(?<=UPDATE)\s+(?:OR\s+\w+\s+)?)[\"'`\[]?([\w.]+)",
    re.IGNORECASE,
)
_BETWEEN = {"INSERT": "INSERT INTO", "REPLACE": "REPLACE INTO", "DELETE": "DELETE FROM", "SELECT": "SELECT FROM"}
_ROW = re.compile(r"/[^/]+=[^/]*$")
_SHORT = 60
_FEW = 2


def short(effect: Effect) -> str:
    """An effect in a few words."""
    if effect.foreign is not None and effect.kind == "mail":
        return f"the mail to {_field(effect, 'to')}"
    if effect.kind == "http":
        return short_request(*effect.label.split(" ", 1))
    if effect.kind == "file":
        return " ".join(posixpath.basename(word) if word.startswith("/") else word for word in effect.label.split(" "))
    if effect.kind == "sql" and effect.durable and effect.label.upper().startswith(("COMMIT", "END")):
        return f"the commit to {_tables(effect)}"
    statement = _SQL.match(effect.label) if effect.kind == "sql" else None
    if statement is not None:
        verb = statement.group(1).upper()
        return f"{_BETWEEN.get(verb, verb)} {statement.group(2)}"
    return shortened(effect.label)


def _tables(effect: Effect) -> str:
    names = sorted({posixpath.basename(_ROW.sub("", touch.resource)) for touch in effect.touches})
    return ", ".join(names) if len(names) <= _FEW else f"{len(names)} tables"


def short_request(method: str, url: str = "") -> str:
    """A request without scheme and host."""
    return f"{method} {urlsplit(url).path or '/'}"


def _field(effect: Effect, column: str) -> str:
    foreign = effect.foreign
    return str(dict(zip(foreign.columns, foreign.values, strict=True)).get(column)) if foreign is not None else ""


def shortened(text: str) -> str:
    """A text, cut if it is long."""
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."
