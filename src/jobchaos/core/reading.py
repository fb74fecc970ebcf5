"""Reading: telling in a state what is constant from what may be renamed."""

from __future__ import annotations

import re
from collections.abc import Container, Hashable, Mapping, Sequence
from typing import NamedTuple

from jobchaos.core.coloring import Atom
from jobchaos.core.fresh import Forms, Fresh, as_text, forms_of
from jobchaos.core.origins import origins
from jobchaos.core.outline import has_time, readable
from jobchaos.core.rows import Rows, worked_out
from jobchaos.core.snapshot import NOTHING, Cell, Column, Place, Row, State, Table, tables_of
from jobchaos.core.unmoved import Unmoved, moved, unmoved
from jobchaos.core.volatile import Volatile

_ANY = "any"  # begins the shape of a cell of which only the outline counts
_VARYING = re.compile(r"[#\0](?:[^\w\s\"',{}\[\]]*[#\0])*")
_SHORTEST_NAME = 6  # characters; shorter values may be equal by chance


class Part(NamedTuple):
    """A cell, taken apart.

    Attributes:
        shape: All that must be equal in two cells for them to be the same.
        atoms: The values in it that may be renamed, in order.
    """

    shape: Hashable
    atoms: tuple[Atom, ...]


class Taken(NamedTuple):
    """A table, taken apart.

    Attributes:
        table: The table.
        rows: Its rows, each with its parts.
    """

    table: Table
    rows: list[tuple[Row, tuple[Part, ...]]]


class Reader:
    """Takes the rows of states apart.

    Args:
        expected: The state after a clean run.
        actual: The state after another run.
        initial: The state before both.
        volatile: What depends on time and chance.
    """

    def __init__(self, expected: State, actual: State, initial: State, volatile: Volatile) -> None:
        self._initial = before = tables_of(initial)
        states = tables_of(expected), tables_of(actual)
        lengths = {column[:2] for column in volatile.lengths}  # where even what was there before may be renamed
        still = unmoved(expected, actual, initial)
        self._unmoved = {place: rows for place, rows in still.items() if place not in lengths}
        self._volatile = volatile
        self._origins = origins({**before, **states[1], **states[0]}, volatile.columns)
        self._with_names = {
            column for column in volatile.columns if _holds_names(column, states, before, self._unmoved)
        }
        self._old_keys = {origin: _values(before, origin) for origin in set(self._origins.values())}
        self.renamed: set[Column] = set()
        """Columns in which something was found that may be renamed."""

    def read(self, state: State, fresh: Fresh) -> dict[Place, Taken]:
        """Take the rows of a state apart, but for those that are the same as ever.

        Args:
            state: The state after a run.
            fresh: The random values handed out in that run.
        """
        forms = forms_of(fresh)
        return {place: self._table(place, table, forms) for place, table in tables_of(state).items()}

    def _table(self, place: Place, table: Table, forms: Forms) -> Taken:
        past = _Past(self._initial.get(place, NOTHING), place, table, self._volatile, self._origins)
        columns = [(*place, column) for column in table.columns]

        def parts(row: Row) -> tuple[Part, ...]:
            is_old = row in past.rows
            return tuple(
                _constant(row[at])
                if is_old and column not in self._volatile.lengths
                else self._part(column, row, at, past, forms)
                for at, column in enumerate(columns)
            )

        return Taken(table, [(row, parts(row)) for row in moved(table, self._unmoved.get(place, frozenset()))])

    def _part(self, column: Column, row: Row, at: int, past: _Past, forms: Forms) -> Part:
        part = None if row[at] is None else self._renamed(column, row, at, past, forms)
        if part is None:
            return _constant(row[at])
        self.renamed.add(column)
        return part

    def _renamed(self, column: Column, row: Row, at: int, past: _Past, forms: Forms) -> Part | None:
        cell = row[at]
        kind = type(cell).__name__
        varies = past.varies(row, at)
        found = forms.find(cell)
        if found is not None:
            shape = (_ANY, (kind, found.forms), past.outline(row, at, forms)) if varies else forms.shape(cell)
            return Part(shape, tuple(Atom("fresh", chunk) for chunk in found.chunks))
        origin = self._origins.get(column)
        if origin is not None:
            return None if repr(cell) in self._old_keys[origin] else Part("key", (Atom(".".join(origin), repr(cell)),))
        if not varies:
            return None
        if column in self._with_names:
            return Part(("name", kind), (Atom("value", repr(cell)),))
        return Part((_ANY, kind, past.outline(row, at, forms)), ())


def outline_in(shape: Hashable) -> str:
    """What is compared of a cell that varies, for people: `*` for each part that does; empty for other cells."""
    return _VARYING.sub("*", str(shape[2])) if isinstance(shape, tuple) and shape[0] == _ANY else ""


class _Past:
    """What a table held before the run.

    Args:
        before: The table then.
        place: Where it is.
        table: The table now.
        volatile: What of the state depends on time and chance.
        made_up: The columns that hold surrogate keys.
    """

    def __init__(
        self, before: Table, place: Place, table: Table, volatile: Volatile, made_up: Mapping[Column, Column]
    ) -> None:
        self.rows: Container[Row] = before.rows if isinstance(before.rows, Rows) else set(before.rows)
        self._volatile = volatile
        self._columns: list[Column] = [(*place, column) for column in table.columns]
        self._identify = volatile.identify(place, table, made_up)
        self._names = table.columns
        self._key = table.key if set(table.key) <= set(before.columns) else ()
        varying = volatile.columns - volatile.lengths
        names = tuple(column for column in before.columns if (*place, column) in varying)
        self._cells = worked_out(before.rows, (self._key, names), lambda rows: self._held(before.columns, rows, names))

    def varies(self, row: Row, at: int) -> bool:
        """True if a cell differs from run to run, and is not as it was before; without a key, as any was."""
        if self._columns[at] not in self._volatile.columns:
            return False
        kept = (self._identity(self._names, row), self._names[at], repr(row[at])) in self._cells
        return not kept and self._volatile.varies(self._columns[at], self._identify(row))

    def outline(self, row: Row, at: int, forms: Forms) -> str:
        """What stays of a cell that differs from run to run."""
        return self._volatile.outline(self._columns[at], self._identify(row), forms.without(row[at]))

    def _held(
        self, columns: tuple[str, ...], rows: Sequence[Row], names: tuple[str, ...]
    ) -> frozenset[tuple[Row, str, str]]:
        places = [(columns.index(name), name) for name in names]
        some = rows if places else ()
        return frozenset((self._identity(columns, row), name, repr(row[at])) for row in some for at, name in places)

    def _identity(self, columns: tuple[str, ...], row: Row) -> Row:
        return tuple(row[columns.index(column)] for column in self._key)


def _holds_names(
    column: Column, states: tuple[Mapping[Place, Table], ...], before: Mapping[Place, Table], still: Unmoved
) -> bool:
    """True if values of a volatile column can be equal neither by chance nor because they are one time."""
    old, known = _values(before, column), still.get(column[:2], frozenset())
    found = [tables[column[:2]] for tables in states if column[:2] in tables]
    new = [cell for table in found for cell in _cells(table, column, moved(table, known)) if repr(cell) not in old]
    return not any(_may_be_equal(cell) for cell in new if cell is not None)


def _may_be_equal(cell: Cell) -> bool:
    text = as_text(cell)
    return len(text) < _SHORTEST_NAME or re.search(r"\s", text) is not None or has_time(text) or bool(readable(cell))


def _constant(cell: Cell) -> Part:
    return Part((type(cell).__name__, repr(cell)), ())


def _values(tables: Mapping[Place, Table], column: Column) -> frozenset[str]:
    table = tables.get(column[:2], NOTHING)
    return worked_out(table.rows, column, lambda rows: frozenset(map(repr, _cells(table, column, rows))))


def _cells(table: Table, column: Column, rows: Sequence[Row]) -> list[Cell]:
    if column[2] not in table.columns:
        return []
    at = table.columns.index(column[2])
    return [row[at] for row in rows]
