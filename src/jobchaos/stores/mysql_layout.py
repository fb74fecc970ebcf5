"""The tables of a MariaDB or MySQL database, and how their rows are read and put back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobchaos.core.snapshot import SERVER_TIME, Table

Query = Callable[[str], Sequence[tuple[Any, ...]]]


_COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type, c.extra, coalesce(c.character_octet_length, 0)
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = DATABASE() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
    AND coalesce(c.generation_expression, '') NOT IN ('ROW START', 'ROW END')
ORDER BY c.table_name, c.ordinal_position
"""
_KEYS = """
SELECT table_name, column_name, constraint_name = 'PRIMARY', referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position
"""
_TIMES = ("datetime", "timestamp")
_TEXTS = frozenset(("char", "varchar", "enum", "set", "tinytext", "text", "mediumtext", "longtext"))
_EXACT = frozenset(
    (
        *("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "date", "time", *_TIMES),
        *("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
    )
)
"""Types whose values are the same if the server says that they are equal; of texts, if their bytes are."""
_WRITTEN = _EXACT - frozenset(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"))
"""Types whose values the server writes as texts that differ if they do."""
_SHORT = frozenset(("char", "varchar", "set", "binary", "varbinary"))
"""Types of texts that may be quoted: others can be as long as no statement may be."""
_INEXACT = frozenset(("float", "double", "enum"))
_WIDEST = 3000  # bytes of a key; with the number of a version it must not exceed InnoDB's 3072
_PLAIN = frozenset(
    (
        *("tinyint", "smallint", "mediumint", "int", "bigint", "float", "double", "year", "bit", "geometry", "point"),
        *("char", "varchar", "enum", "set", "tinytext", "text", "mediumtext", "longtext", "json"),
        *("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
    )
)


@dataclass(frozen=True, slots=True)
class MySQLColumn:
    """One column.

    Attributes:
        name: Its name.
        type: The name of its type, without parameters.
        computed: Whether it is made from others.
        generated: Whether the server counts its values up.
        width: Most bytes of a text.
    """

    name: str
    type: str
    computed: bool
    generated: bool
    width: int = 0

    def compared(self, since: str) -> str:
        """What of it is compared, in SQL.

        Args:
            since: The server's time of the capture.
        """
        name = quoted(self.name)
        if self.type == "float":
            return f"{name} + 0e0"  # else it is shown with six digits
        if self.type in _PLAIN:
            return name
        if self.type in _TIMES:
            lately = f"{name} BETWEEN '{since[:19]}' AND NOW(6)"
            return f"CASE WHEN {lately} THEN '{SERVER_TIME}' ELSE CAST({name} AS CHAR) END"
        if self.type == "decimal":
            lately = f"{name} BETWEEN UNIX_TIMESTAMP('{since[:19]}') AND UNIX_TIMESTAMP(NOW(6))"
            return f"CASE WHEN {lately} THEN '{SERVER_TIME}' ELSE CAST({name} AS CHAR) END"
        return f"CAST({name} AS CHAR)"

    @property
    def told(self) -> str:
        """What tells its content from any other one, in SQL: never NULL."""
        name = quoted(self.name)
        if self.type in _SHORT:
            return f"QUOTE(CAST({name} AS BINARY))"
        if self.type in _INEXACT:
            return f"IFNULL({name} + 0e0, 'N')"  # a FLOAT is shown with six digits
        return f"IFNULL({name if self.type in _WRITTEN else f'MD5({name})'}, 'N')"

    def same(self, one: str, other: str) -> str:
        """Whether two tables have the very same there, in SQL.

        Args:
            one: What SQL calls the first.
            other: What it calls the second.
        """
        cells = f"{one}.{quoted(self.name)}", f"{other}.{quoted(self.name)}"
        return " <=> ".join(f"BINARY {cell}" if self.type in _TEXTS else cell for cell in cells)


@dataclass(frozen=True, slots=True)
class MySQLTable:
    """One table.

    Attributes:
        name: Its name.
        columns: Its columns, in order.
        empty: How it looks in a snapshot, without rows.
        definition: The statement that makes it.
    """

    name: str
    columns: tuple[MySQLColumn, ...]
    empty: Table
    definition: str = ""

    @property
    def path(self) -> str:
        """What SQL calls it."""
        return quoted(self.name)

    @property
    def rows(self) -> str:
        """What SQL calls its rows."""
        return self.path

    @property
    def numbers(self) -> bool:
        """Whether the server counts its rows up."""
        return any(column.generated for column in self.columns)

    @property
    def tells_rows_apart(self) -> bool:
        """Whether single rows can be found by their key, and told to be the same."""
        key = [column for column in self.columns if column.name in self.empty.key]
        is_exact = all(column.type in _EXACT or column.type in _TEXTS for column in self.columns)
        is_kept = not any(column.computed for column in key) and sum(column.width for column in key) <= _WIDEST
        return bool(key) and is_exact and is_kept

    @property
    def stored(self) -> str:
        """The columns that are put back, in SQL."""
        return ", ".join(quoted(column.name) for column in self.columns if not column.computed)


def read_layout(query: Query, definitions: Mapping[tuple[str, str], str]) -> dict[str, MySQLTable]:
    """The tables of the current database, by name.

    Args:
        query: Runs a query on it.
        definitions: The statements that make them, by `TABLE` and the name.
    """
    columns: dict[str, list[MySQLColumn]] = defaultdict(list)
    for table, name, kind, extra, width in query(_COLUMNS):
        text = extra.lower()
        computed = "generated" in text and "default" not in text
        columns[table].append(MySQLColumn(name, kind.lower(), computed, "auto_increment" in text, int(width)))
    keys: dict[str, list[str]] = defaultdict(list)
    references: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for table, name, primary, target, theirs in query(_KEYS):
        if primary and any(column.name == name for column in columns[table]):  # not when a row's version ends
            keys[table].append(name)
        if target is not None:
            references[table][name] = target, theirs
    return {
        table: MySQLTable(
            table,
            tuple(own),
            Table(
                tuple(column.name for column in own),
                (),
                tuple(keys[table]),
                frozenset(column.name for column in own if column.generated),
                references[table],
            ),
            definitions["TABLE", table],
        )
        for table, own in columns.items()
    }


def quoted(name: str) -> str:
    """A name as MariaDB and MySQL write it."""
    return "`" + name.replace("`", "``") + "`"
