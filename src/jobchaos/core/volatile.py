"""Volatile: what of a state depends on time and chance."""

from __future__ import annotations

import dataclasses
import itertools
from collections import ChainMap, Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobchaos.core.fresh import Fresh, forms_of
from jobchaos.core.lengths import are_lengths
from jobchaos.core.origins import origins
from jobchaos.core.outline import is_moment, outline, readable, steady_words
from jobchaos.core.snapshot import NOTHING, SERVER_TIME, Cell, Column, Place, Row, State, Table, tables_of

Identity = tuple[tuple[str, str], ...]
"""What tells a row apart: some of its columns, and what they hold."""
_Outlined = tuple[Column, Identity, str]
_Left = tuple[State, Fresh]


@dataclass(frozen=True, slots=True)
class Volatile:
    """What differs from one clean run to another.

    Attributes:
        columns: Columns in which new values do.
        steady: Cells in them that do not, where rows can be told apart: a counter beside the time of the last run, in a
            table of names and values; one of two files.
        words: Which words do not, in cells with times in them, by the cells and their outlines: a counter beside the
            time of the last run, in one object of JSON. None if that is not known.
        lengths: Those columns that hold how long something took. That such a number is as it was before shows nothing.
    """

    columns: frozenset[Column] = frozenset()
    steady: frozenset[tuple[Column, Identity]] = frozenset()
    words: Mapping[_Outlined, frozenset[int]] | None = None
    lengths: frozenset[Column] = frozenset()

    @classmethod
    def between(cls, runs: Sequence[_Left], initial: State, slow: _Left | None = None) -> Volatile:
        """What differs between clean runs at several times, and with several random values.

        Args:
            runs: The state after each, and the random values handed out in it; at least one.
            initial: The state before all.
            slow: Likewise of one in which time passes with each look at the clock: shows how long something took.
        """
        (first, fresh), *others = runs
        columns = [volatile_columns(first, state, initial, (fresh, other)) for state, other in others]
        lengths = frozenset(_lengths(runs[0], slow) if slow else ()).difference(*columns)
        known = cls(lengths.union(*columns), lengths=lengths)
        tables = [tables_of(state) for state, _ in runs]
        made_up = origins(dict(ChainMap(*tables, tables_of(initial))), known.columns)
        steady: set[tuple[Column, Identity]] = set()
        for column in known.columns:
            mine, *theirs = (
                _by_identity(column, one.get(column[:2], NOTHING), known, made_up, fresh)
                for one, (_, fresh) in zip(tables, runs, strict=True)
            )
            slowly = (
                _by_identity(column, tables_of(slow[0]).get(column[:2], NOTHING), known, made_up, slow[1])
                if slow
                else mine
            )
            steady.update(
                (column, identity)
                for identity, cells in mine.items()
                if identity
                and all(other.get(identity) == cells for other in theirs)
                and not are_lengths(cells, slowly.get(identity, cells))
            )
        return dataclasses.replace(known, steady=frozenset(steady))

    def coincides(self, runs: Sequence[_Left], initial: State) -> bool:
        """True if what the first of some clean runs has written was there already, by chance, and not in a later one.

        Nobody can tell then whether another run has written it: it began in the very second in which it was written.

        Args:
            runs: See `between`.
            initial: The state before all.
        """
        before = tables_of(initial)
        first, *later = (
            [_values(tables_of(state), column, before, fresh).total() for column in self.columns]
            for state, fresh in runs
        )
        return any(one < other for counts in later for one, other in zip(first, counts, strict=True))

    def __or__(self, other: Volatile) -> Volatile:
        steady = (cell for cell in self.steady | other.steady if not (self.varies(*cell) or other.varies(*cell)))
        words, others = self.words or {}, other.words or {}
        both = {outlined: words[outlined] & others[outlined] for outlined in words.keys() & others.keys()}
        known = None if self.words is None and other.words is None else {**words, **others, **both}
        return Volatile(self.columns | other.columns, frozenset(steady), known, self.lengths | other.lengths)

    def varies(self, column: Column, identity: Identity) -> bool:
        """True if a cell does: one of that column, in a row told apart by `identity`."""
        return column in self.columns and (column, identity) not in self.steady

    def texts(self, state: State, fresh: Fresh) -> Mapping[_Outlined, Sequence[str]]:
        """The cells that vary and hold times, and more than that; without random values that are recognised.

        Args:
            state: The state after a clean run.
            fresh: The random values handed out in it.
        """
        tables = tables_of(state)
        made_up, forms = origins(tables, self.columns), forms_of(fresh)
        found: defaultdict[_Outlined, list[str]] = defaultdict(list)
        for column in self.columns:
            table = tables.get(column[:2], NOTHING)
            if column[2] not in table.columns:
                continue
            at, identify = table.columns.index(column[2]), self.identify(column[:2], table, made_up)
            for row in table.rows:
                bare, identity = forms.without(row[at]), identify(row)
                text = readable(bare)
                if text is not None and not is_moment(bare) and self.varies(column, identity):
                    found[column, identity, outline(bare)].append(text)
        return found

    def with_words(self, runs: Sequence[_Left]) -> Volatile:
        """The same, with the words that do not differ.

        Args:
            runs: The state after each clean run, and the random values handed out in it. Their times differ in all
                parts of a date, or words would seem to be the same.
        """
        texts = [self.texts(*run) for run in runs]
        words = {
            outlined: steady_words(itertools.chain.from_iterable(one[outlined] for one in texts))
            for outlined in texts[0]
            if all(outlined in one for one in texts)
        }
        return dataclasses.replace(self, words=words)

    def outline(self, column: Column, identity: Identity, cell: Cell) -> str:
        """What must be equal in a cell that varies, see `outline`; nothing if that differs from run to run, too.

        Args:
            column: The cell's column.
            identity: What tells its row apart.
            cell: What it holds, without random values that are recognised.
        """
        bare = "" if column in self.lengths else outline(cell)
        if bare == SERVER_TIME or self.words is None:
            return bare
        steady = self.words.get((column, identity, bare))
        return "" if steady is None else outline(cell, steady)

    def identify(self, place: Place, table: Table, made_up: Mapping[Column, Column]) -> Callable[[Row], Identity]:
        """What tells the rows of a table apart: their key, or else all that is neither volatile nor made up.

        Args:
            place: Where the table is.
            table: The table.
            made_up: The columns that hold surrogate keys.
        """
        own = [column for column in table.columns if (*place, column) not in made_up]
        if table.key and set(table.key) <= set(own):
            telling = list(table.key)
        else:
            telling = [column for column in own if (*place, column) not in self.columns]
        places = [(column, table.columns.index(column)) for column in telling]
        return lambda row: tuple((column, repr(row[at])) for column, at in places)


def volatile_columns(
    first: State, second: State, initial: State, fresh: tuple[Fresh, Fresh] = (Fresh(()), Fresh(()))
) -> frozenset[Column]:
    """The columns whose values depend on the time and on chance.

    Args:
        first: The state after a clean run.
        second: The state after a clean run at another time, and with other random values.
        initial: The state before both.
        fresh: The random values handed out in either run. A column that differs in these alone is not volatile: they
            are recognised, and what is around them is constant.
    """
    states = tables_of(first), tables_of(second)
    before = tables_of(initial)
    columns = {(*place, column) for tables in states for place, table in tables.items() for column in table.columns}
    return frozenset(
        column
        for column in columns
        if _values(states[0], column, before, fresh[0]) != _values(states[1], column, before, fresh[1])
    )


def _lengths(first: _Left, slow: _Left) -> Iterator[Column]:
    """The columns that hold how long something took."""
    tables = tables_of(first[0]), tables_of(slow[0])
    for place, table in tables[0].items():
        for name in table.columns:
            column = (*place, name)
            if are_lengths(_values(tables[0], column, {}, first[1]), _values(tables[1], column, {}, slow[1])):
                yield column


def _values(
    tables: Mapping[Place, Table], column: Column, before: Mapping[Place, Table], fresh: Fresh
) -> Counter[Hashable]:
    """How often which new value is in a column, apart from the random values that are recognised."""
    forms = forms_of(fresh)

    def count(table: Table) -> Counter[Hashable]:
        if column[2] not in table.columns:
            return Counter()
        at = table.columns.index(column[2])
        return Counter(forms.shape(row[at]) for row in table.rows)

    return count(tables.get(column[:2], NOTHING)) - count(before.get(column[:2], NOTHING))


def _by_identity(
    column: Column, table: Table, known: Volatile, made_up: Mapping[Column, Column], fresh: Fresh
) -> Mapping[Identity, Counter[Hashable]]:
    """What a column holds in each row, or in all rows that cannot be told apart."""
    found: defaultdict[Identity, Counter[Hashable]] = defaultdict(Counter)
    if column[2] in table.columns:
        at, forms = table.columns.index(column[2]), forms_of(fresh)
        identify = known.identify(column[:2], table, made_up)
        for row in table.rows:
            found[identify(row)][forms.shape(row[at])] += 1
    return found
