"""Diff: how one state differs from another, row by row, in the words of the backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from jobchaos.core.snapshot import Cell, Row, Table


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is there too often, too rarely, or with other values.

    Attributes:
        store: The store's name: `app.db`, `mail`.
        table: The table in it: `users`; for a ledger the same as the store.
        row: Column to value, as found; for a missing row as expected.
        count: How many such rows there are.
        expected: How many one clean run leaves.
        before: For a row with the same key on both sides: the columns that differ, as expected. Else empty.
        model: The class that an ORM maps to the table; empty if there is none, or if nobody has looked.
    """

    store: str
    table: str
    row: Mapping[str, Cell]
    count: int
    expected: int
    before: Mapping[str, Cell]
    model: str = ""

    @property
    def kind(self) -> str:
        """`extra`, `missing` or `changed`."""
        if self.before:
            return "changed"
        return "extra" if self.count > self.expected else "missing"

    @property
    def beside(self) -> str:
        """The model, for people who read the name of the table right before; empty if there is none."""
        return f" ({self.model})" if self.model else ""


@dataclass(frozen=True, slots=True)
class Diff:
    """All changes, and what was compared and found equal.

    Attributes:
        changes: In the order of stores, tables and rows.
        equal: `store.table` names without a change.
    """

    changes: tuple[Change, ...]
    equal: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def places(self) -> frozenset[str]:
        """Names of the tables with a change, and of the files."""
        files = (change.row["path"] for change in self.changes if "path" in change.row)
        return frozenset(
            (*(change.table for change in self.changes), *(str(path).rsplit("/", 1)[-1] for path in files))
        )


def table_changes(
    store: str, name: str, expected: list[tuple[str, Row]], actual: list[tuple[str, Row]], table: Table
) -> list[Change]:
    """The changes of one table.

    Args:
        store: The store's name.
        name: The table's name.
        expected: `(color, row)` of one clean run; rows are the same iff their colors are.
        actual: Likewise, as found.
        table: Gives columns and key.
    """
    found = Counter(color for color, _ in actual)
    wanted = Counter(color for color, _ in expected)
    extra = {color: row for color, row in actual if found[color] > wanted[color]}
    missing = {color: row for color, row in expected if wanted[color] > found[color]}
    single = {color for color in (*extra, *missing) if abs(found[color] - wanted[color]) == 1}
    twins = {_key(table, row): color for color, row in missing.items() if table.key and color in single}
    changes: list[Change] = []
    for color, row in list(extra.items()):
        twin = twins.get(_key(table, row)) if color in single else None
        before = _differing(table, missing[twin], row) if twin is not None else {}
        if twin is not None and before:
            del twins[_key(table, row)], extra[color], missing[twin]
            changes.append(_change(store, name, table, row, 1, 1, before))
    for color, row in (*missing.items(), *extra.items()):
        changes.append(_change(store, name, table, row, found[color], wanted[color], {}))
    return changes


def _key(table: Table, row: Row) -> Row:
    return tuple(row[table.columns.index(column)] for column in table.key)


def _differing(table: Table, expected: Row, actual: Row) -> dict[str, Cell]:
    # By repr, as in snapshots: 1 and 1.0 differ, NaN and NaN do not.
    pairs = zip(table.columns, expected, actual, strict=True)
    return {column: old for column, old, new in pairs if repr(old) != repr(new)}


def _change(
    store: str, name: str, table: Table, row: Row, count: int, expected: int, before: Mapping[str, Cell]
) -> Change:
    return Change(store, name, dict(zip(table.columns, row, strict=True)), count, expected, before)
