"""Snapshot: a store's content as tables of rows, comparable and printable.

Everything a job can change is told in this one form: a database's tables, a directory's files (`path`, `content`), an
object's attributes, the mails sent. So one oracle, one diff and one renaming of benign differences serve all stores.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from jobchaos.core.rows import Cell as Cell
from jobchaos.core.rows import Row as Row
from jobchaos.core.rows import Rows, near

_PLAIN = (int, str, bytes)
"""Types whose values are the same if they are equal."""
SERVER_TIME = "(server time)"
"""Stands for what a server's own clock has given during the check: it is another moment in each run."""
_Content = list[tuple[str, tuple[str, ...], list[tuple[tuple[str, str], ...]]]]


@dataclass(frozen=True, slots=True)
class Table:
    """One relation, compared as a multiset of rows.

    Attributes:
        columns: Column names.
        rows: The rows, in any order.
        key: The columns that identify a row, to pair rows in a diff; empty if none do.
        generated: Columns whose values the backend makes up (surrogate keys).
        references: Column to `(table, column)` it refers to (foreign keys).
    """

    columns: tuple[str, ...]
    rows: Sequence[Row]
    key: tuple[str, ...] = ()
    generated: frozenset[str] = frozenset()
    references: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of one store: table name to table."""

    tables: Mapping[str, Table]
    _packed: list[bytes] = field(default_factory=list, init=False, repr=False, compare=False)
    _sorted: list[_Content] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def digest(self) -> str:
        """A hash that is equal for equal content, whatever the order of tables and rows."""
        return hashlib.blake2b(repr(self._content()).encode(), digest_size=16).hexdigest()

    def same_as(self, other: Snapshot) -> bool:
        """True if both hold the same tables with the same multisets of rows."""
        packed = self._pack()
        if packed and packed == other._pack():
            return True
        if self.tables.keys() != other.tables.keys():
            return False
        pairs = [(table, other.tables[name]) for name, table in self.tables.items()]
        if any(len(one.rows) != len(two.rows) for one, two in pairs):
            return False
        pairs = [(one, two) for one, two in pairs if one is not two and not _is_as_near(one, two)]
        if any(near(one.rows, two.rows) for one, two in pairs):
            return False
        shared = [shared_rows(one, two) for one, two in pairs]
        if len(pairs) == len(self.tables) and not any(shared):
            return self._content() == other._content()
        return all(
            one.columns == two.columns and _same_rows(one, two, ids)
            for (one, two), ids in zip(pairs, shared, strict=True)
        )

    def _pack(self) -> bytes:
        # Thousands of snapshots are compared with one, and most are equal to it in the very order of rows. Marshalling
        # tells that ten times faster than sorting. Version 2 depends on values and types alone, not on identities.
        if not self._packed:
            tables = [(name, table.columns, _few(table.rows)) for name, table in sorted(self.tables.items(), key=_name)]
            try:
                self._packed.append(marshal.dumps(tables, 2))
            except ValueError:  # a subclass of str, say
                self._packed.append(b"")
        return self._packed[0]

    def _content(self) -> _Content:
        if not self._sorted:
            items = self.tables.items()
            self._sorted.append(
                sorted((name, table.columns, sorted(map(_sortable, table.rows))) for name, table in items)
            )
        return self._sorted[0]


State = Mapping[str, Snapshot]
"""The whole world of one check: store name to snapshot."""


Column = tuple[str, str, str]
"""Store, table and column."""

Place = tuple[str, str]
"""Store and table."""

NOTHING = Table((), ())
"""Stands for a table that is not there."""


def shared_rows(*tables: Table) -> frozenset[int]:
    """The identities of the rows that all of some tables hold; none if one of them holds any row twice."""
    try:
        found = [{row: row for row in table.rows} for table in tables]
    except TypeError:  # a store of somebody's own gives cells that have no hash
        return frozenset()
    if any(len(rows) != len(table.rows) for rows, table in zip(found, tables, strict=True)):
        return frozenset()
    first, *others = found
    shared: set[int] = set()
    for row in first:
        twins = [rows.get(row) for rows in others]
        if all(twin is row or (twin is not None and _very_same(row, twin)) for twin in twins):
            shared.add(id(row))
            shared.update(map(id, twins))
    return frozenset(shared)


def _very_same(row: Row, twin: Row) -> bool:
    """Whether rows that are equal are so to the last bit: 1, 1.0 and True are equal, and 0.0 and -0.0."""
    return all(
        one is two or (type(one) is type(two) and (type(one) in _PLAIN or repr(one) == repr(two)))
        for one, two in zip(row, twin, strict=True)
    )


def tables_of(state: State) -> dict[Place, Table]:
    """All tables of a state."""
    return {(store, name): table for store, snapshot in state.items() for name, table in snapshot.tables.items()}


def same_state(one: State, other: State) -> bool:
    """True if both consist of the same stores with the same content."""
    return one.keys() == other.keys() and all(snapshot.same_as(other[name]) for name, snapshot in one.items())


def _is_as_near(one: Table, other: Table) -> bool:
    mine, theirs = one.rows, other.rows
    is_same = isinstance(mine, Rows) and isinstance(theirs, Rows) and near(mine, theirs) and mine.same_as(theirs)
    return is_same and one.columns == other.columns


def _few(rows: Sequence[Row]) -> object:
    """What tells rows from others, without going through all, if that can be."""
    return (rows.base.number, rows.gone, rows.new) if isinstance(rows, Rows) else rows


def _same_rows(one: Table, other: Table, shared: Collection[int]) -> bool:
    mine, theirs = (sorted(_sortable(row) for row in each.rows if id(row) not in shared) for each in (one, other))
    return mine == theirs


def _name(item: tuple[str, Table]) -> str:
    return item[0]


def _sortable(row: Row) -> tuple[tuple[str, str], ...]:
    # 1, 1.0, True and '1' must neither compare equal nor fail to compare.
    return tuple((type(cell).__name__, repr(cell)) for cell in row)
