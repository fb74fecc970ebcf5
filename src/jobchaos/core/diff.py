"""Diff: how one state differs from another, row by row, in the words of the backend."""

from __future__ import annotations

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
    """

    store: str
    table: str
    row: Mapping[str, Cell]
    count: int
    expected: int
    before: Mapping[str, Cell]

    @property
    def kind(self) -> str:
        """`extra`, `missing` or `changed`."""
        if self.before:
            return "changed"
        return "extra" if self.count > self.expected else "missing"


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
    surplus = _surplus(actual, expected)
    missing = _surplus(expected, actual)
    changes: list[Change] = []
    for key, (row, count, wanted) in list(surplus.items()):
        twin = next((other for other, (lost, *_) in missing.items() if _same_key(table, row, lost)), None)
        if twin is not None and count - wanted == 1:
            lost, _, _ = missing.pop(twin)
            del surplus[key]
            pairs = zip(table.columns, lost, row, strict=True)
            before = {column: old for column, old, new in pairs if old != new or type(old) is not type(new)}
            changes.append(_change(store, name, table, row, 1, 1, before))
    changes += [_change(store, name, table, row, count, wanted, {}) for row, count, wanted in missing.values()]
    changes += [_change(store, name, table, row, count, wanted, {}) for row, count, wanted in surplus.values()]
    return changes


def _surplus(these: list[tuple[str, Row]], others: list[tuple[str, Row]]) -> dict[str, tuple[Row, int, int]]:
    """Color to (a row, how many here, how many there), for colors more frequent here."""
    colors = [color for color, _ in these]
    other_colors = [color for color, _ in others]
    found: dict[str, tuple[Row, int, int]] = {}
    for color, row in these:
        here, there = colors.count(color), other_colors.count(color)
        if here > there and color not in found:
            # For a missing row "here" is the clean run: keep (as found, as expected) in that order at the caller.
            found[color] = (row, here, there)
    return found


def _same_key(table: Table, row: Row, other: Row) -> bool:
    if not table.key:
        return False
    positions = [table.columns.index(column) for column in table.key]
    return all(row[position] == other[position] for position in positions)


def _change(
    store: str, name: str, table: Table, row: Row, count: int, expected: int, before: Mapping[str, Cell]
) -> Change:
    return Change(store, name, dict(zip(table.columns, row, strict=True)), count, expected, before)
