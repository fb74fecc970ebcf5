"""Origins: in which columns surrogate keys are made up, and which others hold them."""

from __future__ import annotations

from collections.abc import Mapping

from jobchaos.core.snapshot import NOTHING, Column, Place, Table


def origins(tables: Mapping[Place, Table], volatile: frozenset[Column]) -> dict[Column, Column]:
    """For each column that holds surrogate keys, the one in which they are made up.

    Args:
        tables: All tables of a state.
        volatile: Columns whose values depend on time and chance.
    """
    ends = {
        (*place, column): _end((*place, column), tables) for place, table in tables.items() for column in table.columns
    }
    referred = {end for column, end in ends.items() if end != column}
    return {column: end for column, end in ends.items() if _is_generated(end, tables) or end in referred & volatile}


def _end(column: Column, tables: Mapping[Place, Table]) -> Column:
    passed: set[Column] = set()
    while column not in passed and not _is_generated(column, tables):
        passed.add(column)
        store, name, own = column
        column = (store, *tables.get((store, name), NOTHING).references.get(own, (name, own)))
    return column


def _is_generated(column: Column, tables: Mapping[Place, Table]) -> bool:
    return column[2] in tables.get(column[:2], NOTHING).generated
