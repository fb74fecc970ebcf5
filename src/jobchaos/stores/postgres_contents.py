"""What a PostgreSQL database's tables hold. Of a large one, only rows that differ from the beginning are fetched."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.core.rows import LARGE, Base, Row, Rows, rows_since
from jobchaos.core.snapshot import Table
from jobchaos.stores.postgres_layout import LaidTable
from jobchaos.stores.postgres_marks import Mark, PostgresMarks

Run = Callable[[str], Sequence[tuple[Any, ...]]]


class PostgresContents:
    """Reads them, each content once.

    Args:
        run: Runs a query on the database.
        marks: Knows where the rows are that differ.
    """

    def __init__(self, run: Run, marks: PostgresMarks) -> None:
        self._run = run
        self._marks = marks
        self._known: dict[tuple[str, Mark, object], Table] = {}
        self._bases: dict[tuple[str, object], Base] = {}

    def read(self, table: LaidTable, mark: Mark, *, at_first: bool) -> Table:
        """What a table holds now.

        Args:
            table: The table.
            mark: Its mark, which has been read just now.
            at_first: Whether that is the one that it had at the beginning.
        """
        key = table.name, mark, table.shape
        known = self._known.get(key)
        if known is None:
            rows = self._changed(table, mark) or self._whole(table, mark, at_first=at_first)
            known = self._known[key] = dataclasses.replace(table.empty, rows=rows)
        return known

    def _whole(self, table: LaidTable, mark: Mark, *, at_first: bool) -> Sequence[Row]:
        rows = self._rows(table, f"FROM {table.rows}") if mark.rows and table.columns else ()
        if at_first and len(rows) >= LARGE:
            self._bases[table.name, table.shape] = Base(rows)
        base = self._bases.get((table.name, table.shape))
        return rows if base is None else rows_since(base, rows)

    def _changed(self, table: LaidTable, mark: Mark) -> Rows | None:
        """The rows that differ from the beginning; None if nobody knows where they are."""
        base = self._bases.get((table.name, table.shape))
        places = self._marks.places(table)
        if base is None or places is None:
            return None
        now, kept = places
        key = [table.empty.columns.index(name) for name in table.empty.key]
        by_key = base.known(("by", *key), lambda rows: {tuple(row[at] for at in key): row for row in rows})
        gone = [by_key.get(tuple(row[at] for at in key)) for row in self._rows(table, kept)]
        found = Rows(base, [row for row in gone if row is not None], self._rows(table, now))
        # A time that was to come at the beginning is over by now: it reads another way, and so may a key.
        return found if None not in gone and len(found) == mark.rows else None

    def _rows(self, table: LaidTable, source: str) -> tuple[Row, ...]:
        cells = ", ".join(column.compared(self._marks.since) for column in table.columns)
        return tuple(tuple(map(_cell, row)) for row in self._run(f"SELECT {cells} {source}"))


def _cell(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
