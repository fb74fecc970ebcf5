"""Catalog: what each statement on one SQLite database reads and writes, asked of SQLite's own compiler."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import os
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jobchaos.core.effect import Mode, Touch
from jobchaos.core.sqlite_uri import is_in_memory, is_shared
from jobchaos.probes.sqlite_changes import is_counted, look_at
from jobchaos.probes.sqlite_pragmas import touches_of_pragma
from jobchaos.probes.sqlite_tables import read_tables
from jobchaos.probes.statement import Statement, first_word
from jobchaos.probes.table_facts import TableFacts

_connect: Callable[..., sqlite3.Connection] = sqlite3.connect  # the genuine one: while a check runs, it is replaced
_CONTROLLING = ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE")
_abandoned: list[sqlite3.Connection] = []
_PLAIN = ("SELECT", "VALUES", "WITH", "INSERT", "UPDATE", "DELETE", "REPLACE")  # others touch more than tables
_KEYED = ("SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE")
_WRITING = re.compile(r"\b(insert|update|delete|replace)\b", re.IGNORECASE)
_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})


News = tuple[tuple[object, ...], dict[str, Statement]]


class Catalog:
    """Compiles each distinct statement once, through a connection of its own.

    That connection obeys foreign keys and fires triggers recursively, whatever the job's does: then SQLite also names
    the tables that a statement reaches through these.

    Args:
        database: What `sqlite3.connect` takes.
        uri: Whether it is a URI.
        base: Resource path of the database: `sql:/tmp/app.db`.
    """

    def __init__(self, database: str, uri: bool, base: str) -> None:
        self.database = database
        self.uri = uri
        self._base = base
        # Connections that share a cache lock whole tables (https://www.sqlite.org/sharedcache.html), and so their rows.
        self._keyed = not (uri and (is_shared(database) or is_in_memory(database)))
        self._known: dict[str, Statement] = {}
        self._told = 0
        self._schema = _Schema()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # the one that the connection is open on
        self._version: tuple[object, ...] = ()  # the schema, as of which all this is known
        self._stale = True
        self._may_change = False  # True once the schema has changed during the check
        self._touched: dict[Touch, None] = {}
        self._is_asked = False  # True once the connection tells what it compiles
        self._numbers = itertools.count()

    def statement(self, sql: str, parameters: Any) -> Statement:
        """What `sql` does; one compilation for each distinct text."""
        known = None if self._stale else self._known.get(sql)
        if known is not None:
            return known
        with _without_collecting(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parameters, say: the job's own statement will warn
            if not self._refresh() and self._stale:  # asked again as soon as it is free
                return _guessed(sql).under(self._base)
            if sql not in self._known:
                self._known[sql] = self._compiled(sql, parameters).under(self._base)
        return self._known[sql]

    def expire(self) -> None:
        """The schema may have changed; from now on it may at any time, as restoring brings the former one back."""
        self._stale = self._may_change = True

    def reconsider(self) -> None:
        """The database was restored, or connected to anew: nothing is sure of a schema that has changed before."""
        self._stale = self._stale or self._may_change

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._is_asked = False
        self._version = ()
        self._stale = True

    def _refresh(self) -> bool:
        """Forget what the schema's present version no longer says; False if somebody has locked it."""
        file = _identity(self._base)
        if self._connection is not None and self._file != file:  # somebody has replaced it
            self.close()
        if self._connection is None:
            self._file = file
            self._connection = _connect(self.database, timeout=0, uri=self.uri, check_same_thread=False)
        try:
            # By content: SQLite's own number of the schema grows with each restore (backup() counts it up). And any
            # query makes SQLite read the schema again if it has changed; EXPLAIN alone would not notice.
            version = tuple(self._connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))
        except sqlite3.OperationalError:
            return False
        if version != self._version:
            self._version, self._schema = version, _schema_of(version, self._keyed)
            self._known.clear()
            self._told = 0
        self._stale = False
        return True

    def take_news(self) -> News:
        """What was compiled since the last call, and for which version of the schema."""
        news = {sql: self._known[sql] for sql in itertools.islice(self._known, self._told, None)}
        self._told = len(self._known)
        return self._version, news

    def learn(self, news: News) -> None:
        """Enter what another process has compiled."""
        version, statements = news
        if version != self._version:
            self._known.clear()
            self.expire()
        self._version, self._schema = version, _schema_of(version, self._keyed)
        self._known.update(statements)

    def abandon(self) -> None:
        """In a forked process: leave the connection to the other one, and never close it here.

        (A connection must not be carried across a fork: https://www.sqlite.org/howtocorrupt.html, 2.6.)
        """
        if self._connection is not None:
            _abandoned.append(self._connection)
            self._connection, self._is_asked = None, False

    def _compiled(self, sql: str, parameters: Any) -> Statement:
        """What `sql` does, on any database of this schema."""
        known = self._schema.statements.get(sql)
        if known is None:
            try:
                known = self._schema.statements[sql] = self._compile(sql, parameters)
            except (sqlite3.Error, sqlite3.Warning):  # with other parameters it may be right
                return _guessed(sql)
        return known

    def _compile(self, sql: str, parameters: Any) -> Statement:
        word = first_word(sql)
        if word not in _PLAIN:
            return _guessed(sql)
        tables = self._known_tables()
        touches = tuple(self._touched_by(sql, parameters, tables))
        counted = is_counted(word, touches, "")
        if not self._keyed or word not in _KEYED:
            return Statement(word, touches, is_counted=counted)
        from jobchaos.probes.row_finder import find_row_keys

        rows = find_row_keys(sql, tables)
        return Statement(word, touches, rows, is_counted=counted, look=look_at(sql, rows, touches, tables))

    def _touched_by(self, sql: str, parameters: Any, tables: dict[str, TableFacts]) -> dict[Touch, None]:
        """What SQLite's compiler tells of a statement, and what it does not."""
        connection = self._connection
        assert connection is not None  # noqa: S101 - _refresh has made it
        if not self._is_asked:
            connection.execute("PRAGMA foreign_keys = ON").close()
            connection.execute("PRAGMA recursive_triggers = ON").close()
            connection.set_authorizer(self._authorize)
            self._is_asked = True
        self._touched = {}
        # Never twice the same text: sqlite3 keeps compiled statements, and SQLite authorizes only when compiling.
        connection.execute(f"EXPLAIN /* {next(self._numbers)} */ {sql}", parameters).close()
        touches = dict(self._touched)
        for touch in list(touches):
            touches |= dict.fromkeys(_hidden(touch, tables))
        return touches

    def _known_tables(self) -> dict[str, TableFacts]:
        if self._schema.tables is None:
            assert self._connection is not None  # noqa: S101 - _refresh has made it
            self._schema.tables = read_tables(self._connection.execute)
        return self._schema.tables

    def _authorize(self, action: int, table: str | None, _column: str | None, *_: str | None) -> int:
        if table and action in _WRITES:
            self._touched[Touch(f"/{table}", Mode.WRITE)] = None
        elif table and action == sqlite3.SQLITE_READ:
            self._touched[Touch(f"/{table}", Mode.READ)] = None
        return sqlite3.SQLITE_OK


@dataclass(slots=True)
class _Schema:
    """What a schema alone tells. Each test has a database of its own, and most have the same schema.

    Attributes:
        tables: By name in small letters; None until they are asked for.
        statements: Text to what it does, with the database's own path left out.
    """

    tables: dict[str, TableFacts] | None = None
    statements: dict[str, Statement] = field(default_factory=dict)


@functools.lru_cache(maxsize=16)
def _schema_of(_version: tuple[object, ...], _keyed: bool) -> _Schema:
    return _Schema()


def _guessed(sql: str) -> Statement:
    """What a statement does that SQLite's compiler is not asked about: mostly to the whole database."""
    word = first_word(sql)
    if word in _CONTROLLING:
        return Statement(word, ())
    if word == "PRAGMA":
        return Statement(word, touches_of_pragma(sql))
    reads = word in ("SELECT", "VALUES", "EXPLAIN") or (word == "WITH" and not _WRITING.search(sql))
    return Statement(word, (Touch("", Mode.READ if reads else Mode.WRITE),))


def _hidden(touch: Touch, tables: dict[str, TableFacts]) -> list[Touch]:
    """What SQLite does not tell: the tables behind a virtual one, and where AUTOINCREMENT counts."""
    table = tables.get(touch.resource[1:].lower(), TableFacts())
    if table.virtual:
        return [Touch("", touch.mode)]
    if table.sequence and touch.mode is Mode.WRITE:
        return [Touch("/sqlite_sequence", Mode.WRITE)]
    return []


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Keep connections alive: SQLite asks our authorizer with its locks held, and to close one may wait for these."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _identity(base: str) -> tuple[int, int] | None:
    try:
        status = os.stat(base.removeprefix("sql:"))
    except OSError:  # it is in memory
        return None
    return status.st_dev, status.st_ino
