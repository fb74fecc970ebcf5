"""Chance: what differs from one run of a test to the next, without any fault. A pure function."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jobchaos.core.fresh import Fresh
from jobchaos.core.origins import origins
from jobchaos.core.snapshot import State, tables_of
from jobchaos.core.volatile import Identity, Volatile

_NOTHING = Fresh(())
_NAMES = frozenset({"path", "key"})
_MOMENT = re.compile(r"\d{10}|\d{4}-\d\d-\d\d|\d:\d\d")


def by_chance(first: State, second: State) -> Volatile:
    """What differs between two runs of a test, which see the real time and other random values.

    The values of a column mean the same in each row, so one that differs makes the column volatile: that others are
    equal may be chance. But each file, and each key of Redis, is a thing of its own, and is left to chance by itself.
    Unless it holds a moment: both runs may have met in the same second. For that reason words beside times are not
    compared either, but how many there are is, if both runs agree on it.

    Args:
        first: The state after one.
        second: The state after the other.
    """
    runs = [(first, _NOTHING), (second, _NOTHING)]
    found = Volatile.between(runs, {})
    steady = found.steady.intersection(_named(first, found))
    outlined = found.with_words(runs).words or ()
    return Volatile(found.columns, steady, dict.fromkeys(outlined, frozenset()))


def _named(state: State, found: Volatile) -> Iterator[tuple[tuple[str, str, str], Identity]]:
    """The cells of files and keys that hold no moment."""
    tables = tables_of(state)
    made_up = origins(tables, found.columns)
    for store, name, column in found.columns:
        table = tables.get((store, name))
        if table is None or column not in table.columns or not _NAMES.intersection(table.key[:1]):
            continue
        at, identify = table.columns.index(column), found.identify((store, name), table, made_up)
        for row in table.rows:
            if not _MOMENT.search(str(row[at])):
                yield (store, name, column), identify(row)
