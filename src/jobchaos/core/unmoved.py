"""Rows that several states share: who compares these states need not look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobchaos.core.rows import Rows, near
from jobchaos.core.snapshot import NOTHING, Place, Row, State, Table, shared_rows, tables_of

Unmoved = Mapping[Place, frozenset[int] | Mapping[bytes, Row]]
"""By table, the identities of rows that need not be looked at; of large tables, the rows that are to be looked at."""


def unmoved(*states: State) -> Unmoved:
    """What all of these states hold; of small tables only if they have a key, and no two rows are alike."""
    first, *others = map(tables_of, states)
    return {
        place: _of_tables(table, *(other.get(place, NOTHING) for other in others)) for place, table in first.items()
    }


def _of_tables(*tables: Table) -> frozenset[int] | Mapping[bytes, Row]:
    if near(*(table.rows for table in tables)):
        kept = (table.rows for table in tables if isinstance(table.rows, Rows))
        return {key: row for rows in kept for key, row in rows.differing.items()}
    return shared_rows(*tables) if tables[0].key else frozenset()


def moved(table: Table, still: frozenset[int] | Mapping[bytes, Row]) -> Sequence[Row]:
    """The rows of a table that are to be looked at."""
    if isinstance(table.rows, Rows) and isinstance(still, Mapping):
        return table.rows.among(still)
    return [row for row in table.rows if id(row) not in still] if still else table.rows
