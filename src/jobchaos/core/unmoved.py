"""Rows that several states share: who compares these states need not look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobchaos.core.snapshot import NOTHING, Place, Row, State, Table, shared_rows, tables_of

Unmoved = Mapping[Place, frozenset[int]]
"""By table, the identities of rows that need not be looked at."""


def unmoved(*states: State) -> Unmoved:
    """The rows that all of these states hold; only of tables with a key, in which no two rows are alike."""
    first, *others = map(tables_of, states)
    return {
        place: shared_rows(table, *(other.get(place, NOTHING) for other in others)) if table.key else frozenset()
        for place, table in first.items()
    }


def moved(table: Table, still: frozenset[int]) -> Sequence[Row]:
    """The rows of a table that are to be looked at."""
    return [row for row in table.rows if id(row) not in still] if still else table.rows
