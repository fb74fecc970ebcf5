"""Ignore: what the user asked to leave out of comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobchaos.core.rows import cut
from jobchaos.core.snapshot import Snapshot, State, Table
from jobchaos.errors import UsageError

TEMPORARY = "temporary files"
"""The table of what `tempfile` has named and made in the system's own directory for such files."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Stores, tables and columns to leave out.

    Names may contain dots, so patterns are not taken apart: one matches what can be called by it.

    Attributes:
        patterns: `store`, `table`, `store.table`, `table.column` or `store.table.column`, each.
    """

    patterns: tuple[str, ...]

    @classmethod
    def parse(cls, patterns: tuple[str, ...]) -> Ignore:
        """Read what the user has written.

        Raises:
            UsageError: If a pattern is empty, or a part of it is.
        """
        stripped = tuple(dict.fromkeys(pattern.strip() for pattern in patterns))
        for pattern in stripped:
            if not all(part.strip() for part in pattern.split(".")):
                raise UsageError(
                    f"ignore: {pattern!r} has an empty name in it, so it matches nothing. "
                    'Write "table", "table.column", "store", "store.table" or "store.table.column".'
                )
        return cls(stripped)

    @property
    def of_garbage(self) -> Ignore:
        """What of it is about garbage: see `garbage`. Its names are never the same, so no job decides by it."""
        return Ignore(tuple(pattern for pattern in self.patterns if pattern.endswith(f".{TEMPORARY}")))

    def apply(self, state: State) -> State:
        """The state without what is ignored."""
        if not self.patterns:
            return state
        return {
            store: Snapshot(
                {
                    name: self._without_columns(store, name, table)
                    for name, table in snapshot.tables.items()
                    if not self._matches(_table_names(store, name))
                }
            )
            for store, snapshot in state.items()
            if not self._matches((store,))
        }

    def unused(self, state: State) -> tuple[str, ...]:
        """The patterns that match nothing in a state."""
        known = set(_all_names(state))
        return tuple(pattern for pattern in self.patterns if pattern not in known)

    def _matches(self, names: tuple[str, ...]) -> bool:
        return any(name in self.patterns for name in names)

    def _without_columns(self, store: str, name: str, table: Table) -> Table:
        places = tuple(
            place for place, column in enumerate(table.columns) if not self._matches(_column_names(store, name, column))
        )
        if len(places) == len(table.columns):
            return table
        columns = tuple(table.columns[place] for place in places)
        return Table(
            columns,
            cut(table.rows, places),
            # A part of a key does not identify a row.
            key=table.key if set(table.key) <= set(columns) else (),
            generated=table.generated & set(columns),
            references={column: target for column, target in table.references.items() if column in columns},
        )


def garbage(clean: State) -> tuple[str, ...]:
    """Patterns of tables with temporary files, if a clean run leaves none: what is left there, nobody looks for."""
    return tuple(
        f"{store}.{TEMPORARY}"
        for store, snapshot in clean.items()
        if TEMPORARY in snapshot.tables and not snapshot.tables[TEMPORARY].rows
    )


def _table_names(store: str, table: str) -> tuple[str, ...]:
    return table, f"{store}.{table}"


def _column_names(store: str, table: str, column: str) -> tuple[str, ...]:
    return f"{table}.{column}", f"{store}.{table}.{column}"


def _all_names(state: State) -> Iterator[str]:
    for store, snapshot in state.items():
        yield store
        for name, table in snapshot.tables.items():
            yield from _table_names(store, name)
            for column in table.columns:
                yield from _column_names(store, name, column)
