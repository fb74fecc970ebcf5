"""Reading: telling in a state what is constant from what may be renamed."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import NamedTuple

from jobchaos.core.coloring import Atom
from jobchaos.core.fresh import Forms, Fresh, as_text, forms_of
from jobchaos.core.origins import origins
from jobchaos.core.outline import has_time, readable
from jobchaos.core.snapshot import NOTHING, Cell, Column, Place, Row, State, Table, tables_of
from jobchaos.core.unmoved import moved, unmoved
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
        self._unmoved = unmoved(expected, actual, initial)
        self._volatile = volatile
        self._origins = origins({**before, **states[1], **states[0]}, volatile.columns)
        self._with_names = {column for column in volatile.columns if _holds_names(column, states, before)}
        self._old_keys = {origin: set(map(repr, _cells(before, origin))) for origin in set(self._origins.values())}
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
        self.rows = set(before.rows)
        self._volatile = volatile
        self._columns: list[Column] = [(*place, column) for column in table.columns]
        self._identify = volatile.identify(place, table, made_up)
        self._names = table.columns
        self._key = table.key if set(table.key) <= set(before.columns) else ()
        names = {column for column in before.columns if (*place, column) in volatile.columns - volatile.lengths}
        self._cells = {
            (self._identity(before.columns, row), column, repr(cell))
            for row in (before.rows if names else ())
            for column, cell in zip(before.columns, row, strict=True)
            if column in names
        }

    def varies(self, row: Row, at: int) -> bool:
        """True if a cell differs from run to run, and is not as it was before; without a key, as any was."""
        if self._columns[at] not in self._volatile.columns:
            return False
        kept = (self._identity(self._names, row), self._names[at], repr(row[at])) in self._cells
        return not kept and self._volatile.varies(self._columns[at], self._identify(row))

    def outline(self, row: Row, at: int, forms: Forms) -> str:
        """What stays of a cell that differs from run to run."""
        return self._volatile.outline(self._columns[at], self._identify(row), forms.without(row[at]))

    def _identity(self, columns: tuple[str, ...], row: Row) -> Row:
        return tuple(row[columns.index(column)] for column in self._key)


def _holds_names(column: Column, states: tuple[Mapping[Place, Table], ...], before: Mapping[Place, Table]) -> bool:
    """True if values of a volatile column can be equal neither by chance nor because they are one time."""
    old = set(map(repr, _cells(before, column)))
    new = [cell for tables in states for cell in _cells(tables, column) if repr(cell) not in old]
    return not any(_may_be_equal(cell) for cell in new if cell is not None)


def _may_be_equal(cell: Cell) -> bool:
    text = as_text(cell)
    return len(text) < _SHORTEST_NAME or re.search(r"\s", text) is not None or has_time(text) or bool(readable(cell))


def _constant(cell: Cell) -> Part:
    return Part((type(cell).__name__, repr(cell)), ())


def _cells(tables: Mapping[Place, Table], column: Column) -> list[Cell]:
    table = tables.get(column[:2], NOTHING)
    if column[2] not in table.columns:
        return []
    at = table.columns.index(column[2])
    return [row[at] for row in table.rows]
