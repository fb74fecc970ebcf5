"""The parts into which a table of MariaDB or MySQL is divided, so that only those that have changed are moved.

Neither server tells which rows somebody has written (PostgreSQL's `xmin` does), so each look reads all rows of a table
that is written to. But it is the server that reads them: what it gives back, keeps and restores are parts that differ.

A part is known by an MD5 of its rows in the order of their key, each cell written so that no two contents look the
same. That is no sum: rows that swap values, or change together, cannot cancel each other out, as they can in
`CHECKSUM TABLE`, a sum of CRC-32 (https://mariadb.com/kb/en/checksum-table/).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jobchaos.stores.mysql_layout import MySQLTable, quoted

Query = Callable[[str], Sequence[tuple[Any, ...]]]
_SIZE = 1000  # rows of a part
_MOST = 500  # parts of a table
_BYTES = frozenset(("char", "varchar", "binary", "varbinary"))
_QUOTED = frozenset(("date", "time", "datetime", "timestamp"))
_NUMBERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"))
_NEXT = (
    "SELECT table_name, auto_increment FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND auto_increment IS NOT NULL"
)


class Piece(NamedTuple):
    """What tells the content of a part from another one.

    Attributes:
        rows: How many rows it has.
        digest: The MD5 of them.
    """

    rows: int
    digest: str


class Mark(NamedTuple):
    """What tells the content of a table from another one.

    Attributes:
        pieces: Each part's.
        next_number: What the server would give to its next row.
        definition: How it is made.
    """

    pieces: tuple[Piece, ...]
    next_number: int | None
    definition: str


@dataclass(frozen=True, slots=True)
class MySQLPart:
    """Rows of a table whose key begins with neighbouring values; or all.

    Attributes:
        table: The table.
        number: Which of its parts this is.
        start: The first such value, in SQL; empty if there is none before.
        end: The first that comes after, in SQL; empty if there is none.
    """

    table: MySQLTable
    number: int = 0
    start: str = ""
    end: str = ""

    def within(self, alias: str) -> str:
        """The condition for its rows, in SQL that goes on after one.

        Args:
            alias: What SQL calls the table, or a copy of it.
        """
        if not self.start and not self.end:
            return ""
        key = f"{alias}.{quoted(self.table.empty.key[0])}"
        limits = f" AND {key} >= {self.start}" if self.start else ""
        return f"{limits} AND {key} < {self.end}" if self.end else limits

    @property
    def looked_at(self) -> str:
        """A query for its number of rows and their MD5."""
        cells = f"CONCAT_WS(',', {', '.join(column.told for column in self.table.columns if not column.computed)})"
        order = " FORCE INDEX (PRIMARY)"  # in which the rows come then
        if not _is_divisible(self.table):
            cells, order = f"MD5({cells}) ORDER BY MD5({cells})", ""
        whole = f"COALESCE(MD5(GROUP_CONCAT({cells})), '')"
        return f"SELECT COUNT(*), {whole} FROM {self.table.path} AS now{order} WHERE TRUE{self.within('now')}"


@dataclass(slots=True)
class MySQLParts:
    """Divides tables, and reads their marks.

    Args:
        run: Runs a query on the database.
        each: Runs several and returns the rows of each.
    """

    run: Query
    each: Callable[[str], list[Sequence[tuple[Any, ...]]]]
    _limits: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def divide(self, tables: Sequence[MySQLTable]) -> None:
        """Choose where the parts of large tables begin. They stay so, for as long as a table is made in this way."""
        large = [table for table in tables if _is_divisible(table)]
        if not large:
            return
        ((*counts,),) = self.run(f"SELECT {', '.join(f'(SELECT COUNT(*) FROM {table.path})' for table in large)}")
        for table, count in zip(large, counts, strict=True):
            if count > _SIZE:
                found = self.run(_limits(table, max(_SIZE, count // _MOST)))
                self._limits[table.name, table.definition] = list(dict.fromkeys(str(limit) for (limit,) in found))

    def of(self, table: MySQLTable) -> Iterator[MySQLPart]:
        """The parts of a table. Every row is in one of them."""
        limits = ["", *self._limits.get((table.name, table.definition), ()), ""]
        for number, (start, end) in enumerate(itertools.pairwise(limits)):
            yield MySQLPart(table, number, start, end)

    def read(self, tables: Sequence[MySQLTable]) -> Mapping[str, Mark]:
        """The marks of some tables, by their names."""
        parts = [part for table in tables for part in self.of(table)]
        asked = [" UNION ALL ".join(part.looked_at for part in parts)]
        asked += [_NEXT] * any(table.numbers for table in tables)
        found, *numbered = self.each("; ".join(asked))
        numbers: dict[str, int] = dict(*numbered)
        pieces: dict[str, list[Piece]] = {table.name: [] for table in tables}
        for part, (rows, digest) in zip(parts, found, strict=True):
            pieces[part.table.name].append(Piece(rows, str(digest)))
        return {
            table.name: Mark(tuple(pieces[table.name]), numbers.get(table.name), table.definition) for table in tables
        }


def _is_divisible(table: MySQLTable) -> bool:
    return table.tells_rows_apart and _first(table) in _BYTES | _QUOTED | _NUMBERS


def _first(table: MySQLTable) -> str:
    """The type of the first column of its key."""
    return next(column.type for column in table.columns if column.name == table.empty.key[0])


def _limits(table: MySQLTable, size: int) -> str:
    """A query for the first value of each part but the first, as SQL writes it."""
    key, kind, place = quoted(table.empty.key[0]), _first(table), "jobchaos_place"
    written = f"CONCAT('_', CHARSET({key}), ' 0x', HEX({key}))" if kind in _BYTES else f"CAST({key} AS CHAR)"
    written = f"QUOTE({key})" if kind in _QUOTED else written
    ordered = f"SELECT {key}, ROW_NUMBER() OVER (ORDER BY {key}) AS {place} FROM {table.path}"
    return f"SELECT {written} FROM ({ordered}) AS placed WHERE {place} > 1 AND {place} % {size} = 1 ORDER BY {place}"
