"""SQLite URIs: whether `file:...` names a database in memory, or which file (https://www.sqlite.org/uri.html)."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit


def is_in_memory(uri: str) -> bool:
    """True if the database has no file."""
    parts = urlsplit(uri)
    options = parse_qs(parts.query)
    in_memory = "memory" in options.get("mode", ()) or "memdb" in options.get("vfs", ())
    return in_memory or unquote(parts.path) in (":memory:", "")


def is_shared(uri: str) -> bool:
    """True if other connections of the process reach the same database in memory."""
    options = parse_qs(urlsplit(uri).query)
    return "shared" in options.get("cache", ()) or "memdb" in options.get("vfs", ())


def file_of(uri: str) -> str:
    """The path of the database's file, absolute or not, as SQLite reads it."""
    return unquote(urlsplit(uri).path)
