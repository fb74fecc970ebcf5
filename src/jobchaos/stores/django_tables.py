"""DjangoTables: all tables of one Django connection, read through the connection of the test itself.

It only looks: a suite that runs as it is restores its databases by itself. So it sees what a test's transaction has not
committed, and nothing that it does is counted by `assertNumQueries`.
"""

from __future__ import annotations

import sys
from typing import Any

from jobchaos.core.snapshot import Cell, Row, Snapshot, Table
from jobchaos.stores.base import BaseStore

_LARGEST = 10_000
_STATIC = frozenset({"django_migrations", "django_content_type", "auth_permission", "django_session"})
_tables: dict[tuple[str, str], dict[str, Table]] = {}


class DjangoTables(BaseStore):
    """See the module.

    Args:
        alias: The connection's alias.
    """

    def __init__(self, alias: str) -> None:
        super().__init__(alias)

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        base = f"sql:django/{self.name}"
        return resource == base or resource.startswith(f"{base}/")

    def capture(self) -> None:
        """See `Store.capture`: it is never restored."""

    def restore(self) -> None:
        """See `Store.restore`: left to the test's own fixtures."""

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        from django.db import connections

        connection = connections[self.name]
        if connection.connection is None:
            return Snapshot({})
        cursor = connection.connection.cursor()
        try:
            key = self.name, str(connection.settings_dict["NAME"])
            if key not in _tables:
                _tables[key] = _known(connection, cursor)
            return Snapshot({name: _read(connection, cursor, name, table) for name, table in _tables[key].items()})
        finally:
            cursor.close()


def databases() -> list[DjangoTables]:
    """All databases in Django's settings; none if Django is not in use."""
    if sys.modules.get("django.db") is None:
        return []
    from django.conf import settings
    from django.db import connections

    return [DjangoTables(alias) for alias in connections] if settings.configured else []


def _known(connection: Any, cursor: Any) -> dict[str, Table]:
    from django.apps import apps

    models = {model._meta.db_table: model._meta for model in apps.get_models(include_auto_created=True)}  # noqa: SLF001
    present = [info.name for info in connection.introspection.get_table_list(cursor) if info.type == "t"]
    return {name: _table(models.get(name)) for name in sorted(present) if name not in _STATIC}


def _table(options: Any) -> Table:
    """What its model says of a table; nothing if it has none."""
    if options is None:
        return Table((), ())
    fields = options.concrete_fields
    primary = options.pk
    made_up = "Auto" in type(primary).__name__
    return Table(
        columns=tuple(field.column for field in fields),
        rows=(),
        key=(primary.column,),
        generated=frozenset({primary.column}) if made_up else frozenset(),
        references={
            field.column: (field.related_model._meta.db_table, field.target_field.column)  # noqa: SLF001
            for field in fields
            if field.is_relation and field.related_model is not None
        },
    )


def _read(connection: Any, cursor: Any, name: str, table: Table) -> Table:
    quote = connection.ops.quote_name
    columns = ", ".join(map(quote, table.columns)) or "*"
    cursor.execute(f"SELECT {columns} FROM {quote(name)}")  # noqa: S608 - names are quoted
    names = table.columns or tuple(column[0] for column in cursor.description)
    rows = cursor.fetchmany(_LARGEST + 1)
    if len(rows) > _LARGEST:
        cursor.execute(f"SELECT count(*) FROM {quote(name)}")  # noqa: S608 - likewise
        return Table(("rows",), (tuple(cursor.fetchone()),))
    return Table(names, tuple(map(_row, rows)), table.key, table.generated, table.references)


def _row(row: Any) -> Row:
    return tuple(map(_cell, row))


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str | bytes | float) or type(value) is int:
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    return int(value) if isinstance(value, bool) else str(value)
