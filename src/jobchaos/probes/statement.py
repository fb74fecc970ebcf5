"""Statement: what one SQLite statement reads and writes, asked of SQLite's own compiler."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobchaos.core.effect import Mode, Touch

_connect = sqlite3.connect  # the genuine one: while a check runs, sqlite3.connect is replaced
_WORD = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*([a-z]+)", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\?\d*|[:@$][a-z_]\w*", re.IGNORECASE)
_WRITING = re.compile(r"\b(insert|update|delete|replace)\b", re.IGNORECASE)
_LONGEST = 160
_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})


@dataclass(frozen=True, slots=True)
class Statement:
    """One kind of statement.

    Attributes:
        verb: Its first keyword, in capitals.
        touches: Tables read and written; the whole database where SQLite could not be asked.
    """

    verb: str
    touches: tuple[Touch, ...]

    @property
    def writes(self) -> tuple[Touch, ...]:
        """The touches that change something."""
        return tuple(touch for touch in self.touches if touch.mode is not Mode.READ)


class Catalog:
    """Knows the statements of one database. Asks through short-lived connections of its own.

    Args:
        database: What `sqlite3.connect` takes.
        uri: Whether it is a URI.
        base: Resource path of the database: `sql:/tmp/app.db`.
    """

    def __init__(self, database: str, uri: bool, base: str) -> None:
        self._database = database
        self._uri = uri
        self._base = base
        self._known: dict[str, Statement] = {}

    def statement(self, sql: str, parameters: Any) -> Statement:
        """What `sql` does; one compilation for each distinct text."""
        known = self._known.get(sql)
        if known is None:
            known = self._known[sql] = self._compile(sql, parameters)
        return known

    def _compile(self, sql: str, parameters: Any) -> Statement:
        word = first_word(sql)
        if word in ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"):
            return Statement(word, ())
        touched: dict[Touch, None] = {}

        def authorize(action: int, table: str | None, _column: str | None, *_: str | None) -> int:
            if table and action in _WRITES:
                touched[Touch(f"{self._base}/{table}", Mode.WRITE)] = None
            elif table and action == sqlite3.SQLITE_READ:
                touched[Touch(f"{self._base}/{table}", Mode.READ)] = None
            return sqlite3.SQLITE_OK

        try:
            # A fresh connection for each text: 3.10 cannot take an authorizer off again, and a schema cannot be stale.
            with contextlib.closing(_connect(self._database, timeout=0, uri=self._uri)) as connection:
                connection.set_authorizer(authorize)
                connection.execute(f"EXPLAIN {sql}", parameters).close()
        except (sqlite3.Error, sqlite3.Warning):
            return Statement(word, self._guess(word, sql))
        if word not in ("SELECT", "VALUES", "WITH", "INSERT", "UPDATE", "DELETE", "REPLACE"):
            return Statement(word, self._guess(word, sql))  # CREATE, DROP, PRAGMA: also more than tables
        return Statement(word, tuple(touched))

    def _guess(self, word: str, sql: str) -> tuple[Touch, ...]:
        reads = word in ("SELECT", "VALUES", "EXPLAIN") or (word == "WITH" and not _WRITING.search(sql))
        reads = reads or (word == "PRAGMA" and "=" not in sql and "(" not in sql)
        return (Touch(self._base, Mode.READ if reads else Mode.WRITE),)


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
    positional = iter(parameters if isinstance(parameters, Sequence) and not isinstance(parameters, str) else ())

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
    text = " ".join(sql.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def literal(value: object) -> str:
    """A bound value as SQL would write it."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"x'{bytes(value).hex()}'"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"
