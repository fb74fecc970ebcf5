"""MySQLStore: one database of MariaDB or MySQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from jobchaos.core.rows import LARGE, Base, Rows
from jobchaos.core.snapshot import Row, Snapshot, Table
from jobchaos.errors import LossError, UsageError
from jobchaos.stores.base import BaseStore
from jobchaos.stores.mysql_definitions import Definitions, MySQLDefinitions
from jobchaos.stores.mysql_driver import Session
from jobchaos.stores.mysql_layout import MySQLTable, quoted, read_layout
from jobchaos.stores.mysql_parts import Mark, MySQLPart, MySQLParts, Piece
from jobchaos.stores.mysql_prepared import MySQLPrepared
from jobchaos.stores.mysql_sequences import MySQLSequences, Numbers
from jobchaos.stores.mysql_shadow import MySQLShadow, is_denied
from jobchaos.stores.safety import require_test_database
from jobchaos.stores.written_tables import UNKNOWN, WrittenTables

_ROUNDS = 4  # until tables whose triggers write to each other are as they were


class _Content(NamedTuple):
    """What a part of a table, as it was defined at some time, held."""

    table: str
    definition: str
    part: int
    piece: Piece


@dataclass(frozen=True, slots=True)
class Held:
    """A state of the database.

    Attributes:
        marks: What each table held.
        definitions: What the database was made of.
        numbers: What its sequences would have given next.
    """

    marks: Mapping[str, Mark]
    definitions: Definitions
    numbers: Numbers = field(default_factory=dict)


class MySQLStore(BaseStore):
    """Captures a database in one beside it, and restores the parts of tables that differ.

    Args:
        access: What the driver takes to connect: `host`, `port`, `user`, `password`, `database`, `unix_socket`.
        allow: Databases that may be restored although they are not plainly test resources.
        name: Short name for reports; empty takes the database's name.
        resource: Its resource path; empty makes it of host, port and name.
    """

    holds_slowly = True
    """True: to hold a state, the server copies each table that has changed."""

    def __init__(
        self, access: Mapping[str, Any], *, allow: Sequence[str] = (), name: str = "", resource: str = ""
    ) -> None:
        self._session = Session(access)
        self._host, self._database = str(access.get("host") or ""), str(access.get("database") or "")
        self._resource = resource or f"sql:mysql://{self._host}:{access.get('port') or 3306}/{self._database}"
        super().__init__(name or self._database)
        self._allow = tuple(allow)
        self._shadow = MySQLShadow(self._session.run)
        self._since = ""
        self._initial: Held | None = None
        self._definitions = MySQLDefinitions(self._session.run, self._session.each, self._database)
        self._sequences = MySQLSequences(self._session.run)
        self._prepared = MySQLPrepared(self._session.run)
        self._defined: Definitions = {}
        self._schema_moves = False
        self._tables: dict[str, MySQLTable] = {}
        self._parts = MySQLParts(self._session.run, self._session.each)
        self._versions: dict[_Content, int] = {}
        self._contents: dict[_Content, tuple[Row, ...]] = {}
        self._read: dict[tuple[str, Mark], Table] = {}
        self._bases: dict[str, Base] = {}
        self._snapshots: dict[tuple[tuple[str, Mark], ...], Snapshot] = {}
        self._written = WrittenTables()
        self._has_triggers = False

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource == self._resource or resource.startswith(f"{self._resource}/")

    def announce(self, resource: str) -> None:
        """See `Store.announce`: tables that are about to be written to. The unknown may change the schema, too."""
        name = resource[len(self._resource) + 1 :].partition("/")[0]
        self._written.add([name] if name in self._tables else self._tables if name else ())
        if name == UNKNOWN:
            self._schema_moves = True
            self._prepared.begin()

    def capture(self) -> None:
        """See `Store.capture`."""
        require_test_database(self._database, self._host, self._allow)
        self._since = str(self._session.run("SELECT NOW(6)")[0][0])
        try:
            self._definitions.remember_database()
            self._read_schema()
        except Exception as error:
            if not is_denied(error):
                raise
            raise UsageError(
                f"{self.name}: the job's user may not see how all tables, views and triggers are made "
                f"({error.args[1]}), so that a check cannot bring them back. Grant it: "
                f"GRANT ALL ON {quoted(self._database)}.* TO CURRENT_USER()"
            ) from error
        self._shadow.open(self._database)
        self._session.loss = (
            "What the job has changed by then stays so, but for what a transaction of its own has undone; the rows "
            f"before it are in the database {self._shadow.name}, until the next check on that server clears it away."
        )
        self._parts.divide(list(self._tables.values()))
        self._initial = self.hold()

    def restore(self) -> None:
        """See `Store.restore`."""
        if self._initial is not None:
            self.put_back(self._initial)

    def hold(self) -> Held:
        """See `Returnable.hold`."""
        held = self._look()
        new = {
            content: part
            for name, mark in held.marks.items()
            for content, part in self._divided(name, mark)
            if content.piece.rows and content not in self._versions
        }
        if new:
            version = len(self._versions) + 1
            self._shadow.keep(list(new.values()), version)
            self._versions.update(dict.fromkeys(new, version))
        return replace(held, numbers=self._sequences.read([name for kind, name in self._defined if kind == "SEQUENCE"]))

    def put_back(self, held: Held) -> None:
        """See `Returnable.put_back`.

        Raises:
            LossError: If the server has lost what it held.
            UsageError: If triggers change what is put back, or the job's user may not put it back.
        """
        try:
            self._put_back(held)
        except Exception as error:
            if not is_denied(error):
                raise
            raise UsageError(
                f"{self.name}: the job's user may not bring back what the job has changed ({error.args[1]}). It stays "
                f"changed; {self._shadow.leave()}. Let the test connect as a user who may make it again."
            ) from error

    def _put_back(self, held: Held) -> None:
        self._prepared.roll_back()
        now = self._look()
        if now.definitions != held.definitions:
            self._definitions.restore(held.definitions)
            now = self._look()
        self._sequences.put_back(held.numbers)
        for _ in range(_ROUNDS):
            differing = [name for name, mark in held.marks.items() if now.marks.get(name) != mark]
            if not differing:
                return
            self._put_back_tables(differing, held, now)
            if not self._has_triggers:
                return
            now = self._look()
        raise UsageError(
            f"{self.name}: triggers change what is put back into {', '.join(differing)}, and cannot be turned off. "
            "Drop the triggers in the test, or name the state by hand: FunctionStore(snapshot=..., reset=...)"
        )

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        marks = self._look().marks
        key = tuple(marks.items())
        known = self._snapshots.get(key)
        if known is None:
            known = self._snapshots[key] = Snapshot({name: self._table(name, mark) for name, mark in key})
        return known

    def close(self) -> None:
        """See `Store.close`."""
        self._initial = None
        try:
            self._shadow.drop()
        finally:
            self._session.close()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _put_back_tables(self, names: Sequence[str], held: Held, now: Held) -> None:
        wanted: list[tuple[MySQLPart, int | None]] = []
        numbers = {}
        for name in names:
            mark, other = held.marks[name], now.marks[name]
            for (content, part), piece in zip(self._divided(name, mark), other.pieces, strict=True):
                if piece != content.piece:
                    wanted.append((part, self._versions.get(content)))
                    self._require_kept(part, content)
            if mark.next_number is not None and mark.next_number != other.next_number:
                numbers[name] = mark.next_number
        self._shadow.put_back(wanted, numbers)

    def _divided(self, name: str, mark: Mark) -> Iterator[tuple[_Content, MySQLPart]]:
        """What each part of a table held."""
        for part, piece in zip(self._parts.of(self._tables[name]), mark.pieces, strict=True):
            yield _Content(name, mark.definition, part.number, piece), part

    def _require_kept(self, part: MySQLPart, content: _Content) -> None:
        """A server that was lost and has come back may be another one, or may have lost what it had not yet written."""
        if self._session.came_back and content.piece.rows != self._shadow.rows(part, self._versions.get(content)):
            raise LossError(f"the server of {self.name} has crashed. {self._session.loss}", "JC913")

    def _read_schema(self) -> None:
        now = self._definitions.read()
        if now != self._defined:
            self._defined, self._tables = now, read_layout(self._session.run, now)
            self._has_triggers = any(kind == "TRIGGER" for kind, _ in now)

    def _look(self) -> Held:
        """What tells the present state from others."""
        if self._schema_moves:
            self._read_schema()
        initial: Mapping[str, Mark] = self._initial.marks if self._initial else {}
        known = {
            name: mark
            for name, mark in initial.items()
            if name in self._tables and mark.definition == self._tables[name].definition
        }
        names = self._written.for_next_look(self._tables, known)
        if not names:
            return Held(known, self._defined)
        found = self._parts.read([self._tables[name] for name in names])
        self._written.add(name for name, mark in found.items() if initial and mark != initial.get(name))
        return Held({name: found.get(name) or known[name] for name in self._tables}, self._defined)

    def _table(self, name: str, mark: Mark) -> Table:
        known = self._read.get((name, mark))
        if known is not None:
            return known
        contents = dict(self._divided(name, mark))
        new = {each: part for each, part in contents.items() if each not in self._contents and each.piece.rows}
        if new:
            table = self._tables[name]
            cells = ", ".join(column.compared(self._since) for column in table.columns)
            asked = [f"SELECT {cells} FROM {table.path} AS now WHERE TRUE{part.within('now')}" for part in new.values()]
            for content, rows in zip(new, self._session.each("; ".join(asked)), strict=True):
                self._contents[content] = tuple(tuple(map(_cell, row)) for row in rows)
        known = self._read[name, mark] = replace(self._tables[name].empty, rows=self._rows(name, mark, contents))
        return known

    def _rows(self, name: str, mark: Mark, contents: Iterable[_Content]) -> Sequence[Row]:
        """Of a large table, what differs from the beginning, part by part."""
        initial = self._initial.marks.get(name) if self._initial else None
        base = self._bases.get(name)
        if base is not None and initial is not None and initial.definition == mark.definition:
            first = [content for content, _ in self._divided(name, initial)]
            differing = [pair for pair in zip(first, contents, strict=True) if pair[0] != pair[1]]
            return Rows(base, *(self._held(side) for side in zip(*differing, strict=True)))
        rows = self._held(contents)
        if mark != initial or len(rows) < LARGE:
            return rows
        self._bases[name] = Base(rows)
        return Rows(self._bases[name])

    def _held(self, contents: Iterable[_Content]) -> tuple[Row, ...]:
        return tuple(itertools.chain.from_iterable(self._contents.get(content, ()) for content in contents))


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)
