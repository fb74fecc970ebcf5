"""Model: a class of the user's that an ORM maps to a table. People who have written it do not think of the table."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from jobchaos.core.diff import Change, Diff


class Model(NamedTuple):
    """One such class.

    Attributes:
        name: What the project calls it: `shop.Order`.
        table: Its table, as a store calls it.
        columns: The columns that it knows of.
    """

    name: str
    table: str
    columns: frozenset[str]


def with_models(diff: Diff, models: Iterable[Model]) -> Diff:
    """The same, with the names of the models beside those of the tables, where it is clear which one it is.

    Args:
        diff: What differs.
        models: All that are known.
    """
    known: defaultdict[str, list[Model]] = defaultdict(list)
    for model in models:
        known[model.table].append(model)

    def named(change: Change) -> Change:
        # Another database may have a table of that name, and so may mail and files. Columns may be left out.
        names = {
            model.name
            for model in known.get(change.table, ())
            if model.columns <= change.row.keys() or change.row.keys() <= model.columns
        }
        return dataclasses.replace(change, model=names.pop()) if len(names) == 1 else change

    return dataclasses.replace(diff, changes=tuple(map(named, diff.changes))) if known else diff
