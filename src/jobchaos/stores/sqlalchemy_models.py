"""The classes that SQLAlchemy's ORM maps, of all registries that are there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from jobchaos.core.model import Model


def sqlalchemy_models() -> Iterator[Model]:
    """Each with the columns of its table; of classes that share one, only that which the others inherit from."""
    orm = sys.modules.get("sqlalchemy.orm.mapper")
    registries: tuple[Any, ...] = tuple(getattr(orm, "_all_registries", tuple)())
    for mapper in [mapper for registry in registries for mapper in registry.mappers]:
        table = mapper.local_table
        shares = mapper.inherits is not None and mapper.inherits.local_table is table
        is_left = mapper.class_.__module__ not in sys.modules  # by a module that is not loaded any more
        if not (shares or is_left) and hasattr(table, "name"):  # else it is mapped to a query
            columns = frozenset(column.name for column in table.columns)
            schema = "" if table.schema in (None, "public") else f"{table.schema}."
            yield Model(mapper.class_.__name__, f"{schema}{table.name}", columns)
