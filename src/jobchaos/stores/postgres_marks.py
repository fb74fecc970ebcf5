"""What tells the contents of a PostgreSQL database's tables from others, without fetching them.

A small table is hashed whole. Of a large one, only the rows that somebody has written since the check began are: each
row tells the transaction that wrote it (`xmin`), and to look for those that are new is a fraction of what it costs to
hash all. What was there before is known, and so is what these rows have replaced, by their keys. Rows that have gone,
and have left no other one with their key, are missed in the count: then the table is hashed whole, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobchaos.stores.postgres_layout import LaidTable
from jobchaos.stores.postgres_shadow import Changes, PostgresShadow

Run = Callable[[str], Sequence[tuple[Any, ...]]]
LARGE = 1000  # rows from which on it is worth a second query
_FEW = 1000  # rows whose places are worth being fetched

_BEGINNING = """
SELECT clock_timestamp()::text, (CASE
    WHEN EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL)
        OR EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())
    THEN txid_snapshot_xmin(now) ELSE txid_snapshot_xmax(now) END % 4294967296)::text
FROM txid_current_snapshot() AS now
"""
"""The time, and the first transaction that may write from now on: those that are underway elsewhere do not matter."""


class Mark(NamedTuple):
    """What tells a table's content from another one."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class _Initial:
    """A large table at the beginning: its shape, its mark, and the version that the shadow keeps of it."""

    shape: tuple[object, ...]
    mark: Mark
    version: int


class PostgresMarks:
    """Reads them.

    Args:
        run: Runs a query on the database.
        shadow: Keeps what large tables held at the beginning.
    """

    def __init__(self, run: Run, shadow: PostgresShadow) -> None:
        self._run = run
        self._shadow = shadow
        self._initial: dict[str, _Initial] = {}
        self._horizon = "0"
        self.since = "now()"
        """The server's time of the capture, in SQL."""
        self.changes: Mapping[str, Changes] = {}
        """Where the rows are that differ from the beginning, at the last reading, as far as that is known."""

    def begin(self) -> None:
        """The check begins: what is not yet committed now has been written since."""
        ((since, horizon),) = self._run(_BEGINNING)
        self.since, self._horizon = f"'{since}'::timestamptz", horizon

    def remember(self, tables: Sequence[LaidTable], marks: Mapping[str, Mark], version: int) -> None:
        """The shadow keeps what these tables held at the beginning."""
        for table in tables:
            is_kept = len(table.given) == len(table.columns)
            if is_kept and marks[table.name].rows >= LARGE and self._shadow.can_tell_rows(table):
                self._initial[table.name] = _Initial(table.shape, marks[table.name], version)

    def read(
        self, tables: Sequence[LaidTable], sequences: Sequence[str] = ()
    ) -> tuple[dict[str, Mark], dict[str, tuple[int, bool]]]:
        """The marks of some tables; and each sequence's last value, and whether that was handed out."""
        large = [table for table in tables if self._is_known(table)]
        known = self._by_changes(large) if large else {}
        self.changes = {name: changes for name, (_, changes) in known.items()}
        whole = [table for table in tables if table.name not in known]
        parts = [f"SELECT {literal(table.name)}, {self._sums(table)} FROM {table.rows}" for table in whole]
        parts += [f"SELECT {literal(name)}, last_value, is_called::text FROM {name}" for name in sequences]
        rows = self._run(" UNION ALL ".join(parts)) if parts else []
        found = {name: Mark(count, mark) for name, count, mark in rows[: len(whole)]}
        values = {name: (value, called == "true") for name, value, called in rows[len(whole) :]}
        return {each.name: found[each.name] if each in whole else known[each.name][0] for each in tables}, values

    def places(self, table: LaidTable) -> tuple[str, str] | None:
        """Where, in SQL, the rows are that may be other ones than at the beginning, and those that they have replaced.

        None if the last reading has not told.
        """
        changes = self.changes.get(table.name)
        if changes is None:
            return None
        kept = self._shadow.kept(table, self._initial[table.name].version)
        now = f"FROM {table.rows} WHERE ctid = ANY('{changes.now}'::tid[])"
        return now, f"FROM {kept} AND kept.ctid = ANY('{changes.kept}'::tid[])"

    def _is_known(self, table: LaidTable) -> bool:
        initial = self._initial.get(table.name)
        return initial is not None and initial.shape == table.shape

    def _sums(self, table: LaidTable) -> str:
        return f"count(*), coalesce(sum({self._hash(table)}), 0)::text"

    def _hash(self, table: LaidTable) -> str:
        cells = ", ".join(column.compared(self.since) for column in table.columns)
        return f"hashtextextended(ROW({cells})::text, 0)"

    def _by_changes(self, tables: Sequence[LaidTable]) -> dict[str, tuple[Mark, Changes]]:
        """Marks of those tables whose changes are few, and tell all; and these changes."""
        new = f"array_agg(ctid) FILTER (WHERE age(xmin) <= age('{self._horizon}'::xid))"
        parts = [
            f"SELECT {literal(table.name)}, n, CASE WHEN cardinality(places) <= {_FEW} THEN places::text END "
            f"FROM (SELECT count(*) AS n, coalesce({new}, '{{}}') AS places FROM {table.rows}) AS found"
            for table in tables
        ]
        found = {name: (count, places) for name, count, places in self._run(" UNION ALL ".join(parts)) if places}
        marks = {}
        for table in tables:
            initial, (count, places) = self._initial[table.name], found.get(table.name, (0, None))
            if places == "{}" and count == initial.mark.rows:
                marks[table.name] = initial.mark, Changes("{}", "{}")
            elif places not in (None, "{}") and (told := self._told(table, initial, count, places)) is not None:
                marks[table.name] = told
        return marks

    def _told(self, table: LaidTable, initial: _Initial, count: int, places: str) -> tuple[Mark, Changes] | None:
        """What the rows at these places have made of a table; None if others have gone besides."""
        sums, new = self._sums(table), f"ctid = ANY('{places}'::tid[])"
        kept = self._shadow.kept(table, initial.version)
        ((added, plus, replaced, minus, old),) = self._run(
            f"SELECT * FROM (SELECT {sums} FROM {table.rows} WHERE {new}) AS now, (SELECT count(*), "
            f"coalesce(sum(old.hash), 0)::text, coalesce(array_agg(old.place), '{{}}')::text FROM {table.rows} AS now "
            f"CROSS JOIN LATERAL (SELECT kept.ctid AS place, {self._hash(table)} AS hash FROM {kept} "
            f"AND {table.same_row} OFFSET 0) AS old WHERE now.{new}) AS before"
        )
        if count != initial.mark.rows - replaced + added:
            return None
        return Mark(count, str(int(initial.mark.hash) - int(minus) + int(plus))), Changes(places, old)


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
