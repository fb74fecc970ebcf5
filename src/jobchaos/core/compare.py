"""Compare: is the state that a run left the one that a clean run leaves, but for what does not matter?"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobchaos.core.coloring import Names, Shaped, match
from jobchaos.core.diff import Change, Diff, table_changes
from jobchaos.core.fresh import Fresh
from jobchaos.core.ignore import Ignore
from jobchaos.core.reading import Reader, Taken, outline_in
from jobchaos.core.snapshot import NOTHING, Place, Row, State, Table, same_state, tables_of
from jobchaos.core.volatile import Volatile

__all__ = ["Comparison", "Fresh", "Ignore", "compare"]

_Row = Sequence[tuple[Hashable, ...]]
_Named = tuple[tuple[Hashable, ...], ...]
_MOST_PAIRED = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a state compares with the clean run's.

    Attributes:
        diff: The rows that differ.
        renamed: `store.table.column` names of columns in which values were compared by identity only: not which value
            it is, but where else it is found.
    """

    diff: Diff
    renamed: tuple[str, ...]


def compare(
    expected: State,
    actual: State,
    *,
    initial: State,
    expected_fresh: Fresh,
    actual_fresh: Fresh,
    volatile: Volatile,
    ignore: Ignore,
) -> Comparison:
    """Compare a state with a clean run's, row by row, in any order of rows.

    These may be renamed, if it is done consistently throughout the state: random values, wherever they turn up; keys
    that the backend made up, along foreign keys; volatile values. A value that is there since before the run is never
    renamed.

    Args:
        expected: The state after a clean run.
        actual: The state after another run.
        initial: The state before both.
        expected_fresh: The random values handed out in the clean run.
        actual_fresh: Those handed out in the other run.
        volatile: What depends on time and chance.
        ignore: What to leave out.
    """
    same = same_state(expected, actual)
    expected, actual, initial = (ignore.apply(state) for state in (expected, actual, initial))
    if same or (ignore.patterns and same_state(expected, actual)):
        return Comparison(Diff((), tuple(map(".".join, tables_of(expected)))), ())
    reader = Reader(expected, actual, initial, volatile)
    wanted, found = reader.read(expected, expected_fresh), reader.read(actual, actual_fresh)
    expected_names, actual_names = match(_shaped(wanted), _shaped(found))
    changes: list[Change] = []
    equal: list[str] = []
    for place in dict.fromkeys((*wanted, *found)):
        different = _differences(place, wanted.get(place), found.get(place), expected_names, actual_names)
        changes += different
        if not different:
            equal.append(".".join(place))
    return Comparison(Diff(tuple(changes), tuple(equal)), tuple(sorted(map(".".join, reader.renamed))))


def _shaped(tables: Mapping[Place, Taken]) -> Iterator[Shaped]:
    for place, taken in tables.items():
        for row, parts in taken.rows:
            atoms = tuple(atom for part in parts for atom in part.atoms)
            if atoms:
                yield Shaped((place, taken.table.columns, tuple(part.shape for part in parts)), atoms, (place, row))


def _differences(
    place: Place, wanted: Taken | None, found: Taken | None, expected_names: Names, actual_names: Names
) -> list[Change]:
    wanted = wanted or Taken(found.table if found else NOTHING, [])
    found = found or Taken(wanted.table, [])
    if wanted.table.columns != found.table.columns:
        return [
            *_differences(place, wanted, None, expected_names, actual_names),
            *_differences(place, None, found, expected_names, actual_names),
        ]
    named = _named(wanted, expected_names), _named(found, actual_names)
    colors: dict[_Named, str] = {}
    one, other = ([(colors.setdefault(cells, str(len(colors))), row) for row, cells in side] for side in named)
    was, now = ({repr(row): cells for row, cells in side} for side in named)
    changes = [
        _without_renamed(change, wanted.table, was, now) for change in table_changes(*place, one, other, wanted.table)
    ]
    sizes = {len(wanted.rows), len(found.rows), len(wanted.table.rows)}
    is_single = not wanted.table.key and sizes == {1} and not _is_ledger(place)
    return _paired(changes, wanted.table, was, now) if wanted.table.generated or is_single else changes


def _is_ledger(place: Place) -> bool:
    """True for a log of foreign effects: one that is missing and another one are two, however alike."""
    return place[0] == place[1]


def _named(taken: Taken, names: Names) -> list[tuple[Row, _Named]]:
    return [
        (row, tuple((part.shape, *(names[atom] for atom in part.atoms)) for part in parts)) for row, parts in taken.rows
    ]


def _paired(changes: list[Change], table: Table, wanted: dict[str, _Named], found: dict[str, _Named]) -> list[Change]:
    """A row that is missing and one that is extra, alike but for the key that the backend has made up, are one change.

    They are alike if they are the only ones, or if at least half of their other columns are the same.
    """
    others = [at for at, column in enumerate(table.columns) if column not in table.generated]
    missing, extra = _lone(changes, "missing", table, wanted), _lone(changes, "extra", table, found)
    least = 0 if len(missing) == len(extra) == 1 else max(1, len(others) / 2)
    alike = sorted(
        (-same, at, twin)
        for at, was in missing[:_MOST_PAIRED]
        for twin, now in extra[:_MOST_PAIRED]
        if least <= (same := sum(was[column] == now[column] for column in others)) < len(others)
    )
    twins: dict[int, int] = {}
    for _, at, twin in alike:
        if at not in twins.values() and twin not in twins:
            twins[twin] = at
    return [
        _as_changed(changes[twins[at]], change, table, wanted, found) if at in twins else change
        for at, change in enumerate(changes)
        if at not in twins.values()
    ]


def _lone(changes: list[Change], kind: str, table: Table, side: dict[str, _Named]) -> list[tuple[int, _Named]]:
    """Single rows of one kind, by their position, if their keys were made up in the run."""
    rows = [(at, side[_raw(change)]) for at, change in enumerate(changes) if change.kind == kind and _is_single(change)]
    keys = [at for at, column in enumerate(table.columns) if column in table.generated]
    return [(at, row) for at, row in rows if all(len(row[key]) > 1 for key in keys)]


def _is_single(change: Change) -> bool:
    return abs(change.count - change.expected) == 1


def _as_changed(
    missing: Change, extra: Change, table: Table, wanted: dict[str, _Named], found: dict[str, _Named]
) -> Change:
    pairs = zip(table.columns, wanted[_raw(missing)], found[_raw(extra)], strict=True)
    differing = _telling([(column, one, other) for column, one, other in pairs if column not in table.generated])
    before = {column: missing.row[column] for column in differing}
    change = dataclasses.replace(extra, count=1, expected=1, before=before)
    return _shown(change, table, wanted[_raw(missing)], found[_raw(extra)])


def _telling(cells: Iterable[tuple[str, tuple[Hashable, ...], tuple[Hashable, ...]]]) -> list[str]:
    """The columns that differ; without those that are compared by identity only, if there are others."""
    differing = [(column, one, other) for column, one, other in cells if one != other]
    by_value = [column for column, one, other in differing if one[0] != other[0] or len(one) == len(other) == 1]
    return by_value or [column for column, _, _ in differing]


def _raw(change: Change) -> str:
    return repr(tuple(change.row.values()))


def _without_renamed(change: Change, table: Table, wanted: dict[str, _Named], found: dict[str, _Named]) -> Change:
    """A changed row's columns that are the same but for a renaming are no part of the change."""
    if not change.before:
        return change
    was = wanted[repr(tuple({**change.row, **change.before}.values()))]
    now = found[repr(tuple(change.row.values()))]
    differing = _telling(zip(table.columns, was, now, strict=True))
    before = {column: cell for column, cell in change.before.items() if column in differing}
    return _shown(dataclasses.replace(change, before=before or change.before), table, was, now)


def _shown(change: Change, table: Table, was: _Row, now: _Row) -> Change:
    """The same, but of texts with times only what is compared: else a time would seem to be the difference."""
    row, before = dict(change.row), dict(change.before)
    for column, one, other in zip(table.columns, was, now, strict=True):
        outlines = outline_in(one[0]), outline_in(other[0])
        if column in before and all(outlines):
            before[column], row[column] = outlines
    return dataclasses.replace(change, row=row, before=before)
