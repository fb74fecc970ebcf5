"""Isolation gaps: which of the classic anomalies a server lets happen at a level, by trying.

Each is played by two sessions in one thread, in the order that would show it. Where the server does not let it happen,
it refuses a statement or a commit, or answers as if the other session were not there (Berenson et al., "A Critique of
ANSI SQL Isolation Levels", SIGMOD 1995: P4 lost update, A5B write skew, A3 phantom, A2 fuzzy read).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_ROWS = "DELETE FROM {table}", "INSERT INTO {table} VALUES (1, 1), (2, 1)"


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where to try.

    Attributes:
        connect: Opens a connection, in transactions as PEP 249 wants it.
        table: The table to make, use and drop; in a database that may be changed.
        before: Statements that make room for it.
        after: Statements that remove what these have made.
        patience: A statement that lets a session wait for locks for a short time only.
    """

    connect: Callable[[], Any]
    table: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    patience: str


_known: dict[tuple[str, str], tuple[str, ...]] = {}


def reachable(scratch: Scratch, level: str) -> tuple[str, ...]:
    """The anomalies that can happen at a level of isolation.

    Args:
        scratch: Where to try.
        level: The level, as SQL calls it.
    """
    with contextlib.ExitStack() as stack:
        one, other = (_Session(stack.enter_context(contextlib.closing(scratch.connect())), scratch) for _ in range(2))
        for statement in (*scratch.before, f"CREATE TABLE {scratch.table} (id INT PRIMARY KEY, n INT)"):
            one.run(statement)
        one.connection.commit()
        try:
            return tuple(name for name, play in _PLAYS.items() if _shows(play, one, other, level))
        finally:
            for session in (other, one):
                session.connection.rollback()
            for statement in (f"DROP TABLE {scratch.table}", *scratch.after):
                one.run(statement)
            one.connection.commit()


class _Session:
    def __init__(self, connection: Any, scratch: Scratch) -> None:
        self.connection = connection
        self._table = scratch.table
        self.run(scratch.patience)
        connection.commit()

    def run(self, sql: str) -> list[Any]:
        """Run a statement; return its rows."""
        with contextlib.closing(self.connection.cursor()) as cursor:
            cursor.execute(sql.format(table=self._table))
            return list(cursor.fetchall()) if cursor.description else []


_Play = Callable[[_Session, _Session], bool]


def reachable_on(server: str, scratch: Scratch, level: str) -> tuple[str, ...]:
    """See `reachable`: it is the same for all databases of a server, and tried on one of them."""
    if (server, level) not in _known:
        _known[server, level] = reachable(scratch, level)
    return _known[server, level]


def _shows(play: _Play, one: _Session, other: _Session, level: str) -> bool:
    for statement in _ROWS:
        one.run(statement)
    one.connection.commit()
    try:
        for session in (one, other):
            session.run(f"SET TRANSACTION ISOLATION LEVEL {level}")
        return play(one, other)
    except Exception:  # noqa: BLE001 - whatever the driver raises: the server has refused
        return False
    finally:
        for session in (one, other):
            session.connection.rollback()


def _lost_update(one: _Session, other: _Session) -> bool:
    for session in (one, other):
        session.run("SELECT n FROM {table} WHERE id = 1")
    for session in (other, one):
        session.run("UPDATE {table} SET n = 2 WHERE id = 1")
        session.connection.commit()
    return True


def _write_skew(one: _Session, other: _Session) -> bool:
    for session in (one, other):
        session.run("SELECT sum(n) FROM {table}")
    one.run("UPDATE {table} SET n = 0 WHERE id = 1")
    other.run("UPDATE {table} SET n = 0 WHERE id = 2")
    for session in (one, other):
        session.connection.commit()
    return True


def _phantom(one: _Session, other: _Session) -> bool:
    before = one.run("SELECT count(*) FROM {table} WHERE n = 1")
    other.run("INSERT INTO {table} VALUES (3, 1)")
    other.connection.commit()
    return one.run("SELECT count(*) FROM {table} WHERE n = 1") != before


def _fuzzy_read(one: _Session, other: _Session) -> bool:
    before = one.run("SELECT n FROM {table} WHERE id = 1")
    other.run("UPDATE {table} SET n = 2 WHERE id = 1")
    other.connection.commit()
    return one.run("SELECT n FROM {table} WHERE id = 1") != before


_PLAYS: Mapping[str, _Play] = {
    "lost update": _lost_update,
    "write skew": _write_skew,
    "phantom": _phantom,
    "non-repeatable read": _fuzzy_read,
}


def told(database: str, level: str, anomalies: tuple[str, ...]) -> str:
    """What the verdict says of a level."""
    if not anomalies:
        return f"{database} at {level}: none of the classic anomalies ({', '.join(_PLAYS)}) can happen"
    return f"{database} at {level}: {', '.join(anomalies)} can happen there"
