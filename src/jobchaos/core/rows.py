"""Rows of large tables, kept as what differs from those that the table held at first.

Thousands of states are compared with each other, and of a large table a job changes little. So a state of it costs what
has changed, and so does a comparison of two.
"""

from __future__ import annotations

import itertools
import marshal
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

Cell = None | int | float | str | bytes
Row = tuple[Cell, ...]
T = TypeVar("T")

LARGE = 1000
"""Rows from which on it is worth it."""
_BLOCK = 250  # rows that are compared at a time
_numbers = itertools.count()


class Base:
    """What a table held at first, with what has been worked out from it.

    Args:
        rows: Its rows.
    """

    __slots__ = ("_known", "number", "rows")

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self.rows = rows
        self.number = next(_numbers)
        """Tells it from all others of the process."""
        self._known: dict[Hashable, Any] = {}

    def known(self, what: Hashable, work_out: Callable[[Sequence[Row]], T]) -> T:
        """What `work_out` makes of the rows; it is asked once for each `what`."""
        if what not in self._known:
            self._known[what] = work_out(self.rows)
        found: T = self._known[what]
        return found

    @property
    def counts(self) -> Mapping[bytes, int]:
        """How often each row is there, by what tells it from all others: see `told`."""
        return self.known("counts", _counted)


class Rows(Sequence[Row]):
    """The rows of a table at some later moment. They are put together when somebody asks for all.

    Args:
        base: What the table held at first.
        gone: Those of its rows that are there no more.
        new: Those that are there besides. What is gone and new has stayed.
    """

    __slots__ = ("_all", "_kept", "base", "gone", "new")

    def __init__(self, base: Base, gone: Sequence[Row] = (), new: Sequence[Row] = ()) -> None:
        self.base = base
        both = _counted(gone) & _counted(new) if gone and new else Counter()
        self.gone, self.new = (tuple(_without(rows, both)) for rows in (gone, new))
        self._all: tuple[Row, ...] | None = None

    @property
    def differing(self) -> Mapping[bytes, Row]:
        """The rows that are gone or new, by what tells them apart."""
        return {told(row): row for row in (*self.gone, *self.new)}

    def among(self, some: Mapping[bytes, Row]) -> list[Row]:
        """Which of some rows there are, each as often as it is there."""
        gone, new, counts = _counted(self.gone), _counted(self.new), self.base.counts
        return [row for key, row in some.items() for _ in range(counts.get(key, 0) - gone[key] + new[key])]

    def cut(self, places: tuple[int, ...]) -> Rows:
        """The same with these columns only."""
        base = self.base.known(("cut", places), lambda rows: Base(_cut(rows, places)))
        return Rows(base, _cut(self.gone, places), _cut(self.new, places))

    def same_as(self, other: Rows) -> bool:
        """Whether these are the same as others on the same base, in any order."""
        return _counted(self.gone) == _counted(other.gone) and _counted(self.new) == _counted(other.new)

    def __len__(self) -> int:
        return len(self.base.rows) - len(self.gone) + len(self.new)

    def __iter__(self) -> Iterator[Row]:
        if self._all is None:
            self._all = (*_without(self.base.rows, _counted(self.gone)), *self.new)
        return iter(self._all)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, at: int | slice) -> Row | tuple[Row, ...]:
        return tuple(self)[at]

    def __contains__(self, row: object) -> bool:
        return isinstance(row, tuple) and bool(self.among({told(row): row}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def near(*tables: Sequence[Row]) -> bool:
    """Whether the rows of some tables are kept on the same base."""
    bases = [rows.base if isinstance(rows, Rows) else None for rows in tables]
    return bases[0] is not None and all(base is bases[0] for base in bases)


def worked_out(rows: Sequence[Row], what: Hashable, work_out: Callable[[Sequence[Row]], T]) -> T:
    """`work_out(rows)`; of rows that a table held at first, once for each `what`."""
    if isinstance(rows, Rows) and not rows.gone and not rows.new:
        return rows.base.known(what, work_out)
    return work_out(rows)


def cut(rows: Sequence[Row], places: tuple[int, ...]) -> Sequence[Row]:
    """Rows with some of their columns."""
    return rows.cut(places) if isinstance(rows, Rows) else _cut(rows, places)


def rows_since(base: Base, rows: tuple[Row, ...]) -> Rows:
    """Rows, kept as what differs from a base."""
    old = base.rows
    if len(old) == len(rows):
        pairs = [(old[at : at + _BLOCK], rows[at : at + _BLOCK]) for at in range(0, len(old), _BLOCK)]
        pairs = [pair for pair in pairs if not _is_same(*pair)]
        gone, new = ([row for pair in pairs for row in pair[side]] for side in (0, 1))
        return Rows(base, gone, new)
    most = min(len(old), len(rows))
    start = _alike(most, lambda at: (old[at : at + _BLOCK], rows[at : at + _BLOCK]))
    end = _alike(most - start, lambda at: (_block_before(old, at), _block_before(rows, at)))
    return Rows(base, old[start : len(old) - end], rows[start : len(rows) - end])


def told(row: Row) -> bytes:
    """What tells a row from all that are not the very same: 1 is neither 1.0 nor True, nor 0.0 the same as -0.0."""
    try:
        return marshal.dumps(row, 2)  # this version depends on values and types alone, not on identities
    except ValueError:  # a subclass of str, say
        return repr([(type(cell).__name__, repr(cell)) for cell in row]).encode()


def _alike(most: int, blocks: Callable[[int], tuple[tuple[Row, ...], tuple[Row, ...]]]) -> int:
    """How many rows come before the first pair of blocks that differ."""
    return next((at for at in range(0, most - _BLOCK + 1, _BLOCK) if not _is_same(*blocks(at))), most - most % _BLOCK)


def _block_before(rows: tuple[Row, ...], at: int) -> tuple[Row, ...]:
    end = len(rows) - at
    return rows[end - _BLOCK : end]


def _is_same(one: tuple[Row, ...], other: tuple[Row, ...]) -> bool:
    try:
        return marshal.dumps(one, 2) == marshal.dumps(other, 2)
    except ValueError:
        return False


def _counted(rows: Iterable[Row]) -> Counter[bytes]:
    return Counter(map(told, rows))


def _without(rows: Iterable[Row], some: Mapping[bytes, int]) -> Iterator[Row]:
    left = dict(some)
    if not left:
        yield from rows
        return
    for row in rows:
        key = told(row)
        if left.get(key):
            left[key] -= 1
        else:
            yield row


def _cut(rows: Iterable[Row], places: tuple[int, ...]) -> tuple[Row, ...]:
    return tuple(tuple(row[place] for place in places) for row in rows)
