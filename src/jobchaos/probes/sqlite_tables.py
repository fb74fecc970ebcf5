"""SQLite tables: what the schema says about which rows of each a statement can meet."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from jobchaos.probes.table_facts import KeyColumn, TableFacts

ROWID_NAMES = frozenset({"rowid", "oid", "_rowid_"})
"""Names of the row's number, unless a column is called so (https://www.sqlite.org/lang_createtable.html#rowid)."""

Query = Callable[[str], Iterable[Any]]
_COLLATE = re.compile(r"\bcollate\b", re.IGNORECASE)
_AUTOINCREMENT = re.compile(r"\bautoincrement\b", re.IGNORECASE)
_VIRTUAL = re.compile(r"\s*create\s+virtual\b", re.IGNORECASE)
_ORDINARY, _DYNAMIC, _STORED = 0, 2, 3  # kinds of columns in PRAGMA table_xinfo


def read_tables(query: Query) -> dict[str, TableFacts]:
    """The tables of a database, by name in small letters.

    Args:
        query: Runs a statement on it.
    """
    schema = list(query("SELECT type, name, tbl_name, sql FROM sqlite_master"))
    with_triggers = {table.lower() for kind, _, table, _ in schema if kind == "trigger"}
    made = {name.lower(): sql for kind, name, _, sql in schema if kind == "table" and sql}
    tables = {
        name: TableFacts(virtual=True) if _VIRTUAL.match(sql) else _read(query, name, sql) for name, sql in made.items()
    }
    references = [(name, target) for name in made for target in _targets(query, name)]
    return {
        name: replace(
            table,
            triggers=name in with_triggers,
            referenced_by=frozenset(source for source, target in references if target == name),
        )
        for name, table in tables.items()
    }


def _read(query: Query, name: str, sql: str) -> TableFacts:
    columns = list(query(f"PRAGMA table_xinfo({_quoted(name)})"))
    names = frozenset(column[1].lower() for column in columns)
    indexes = list(query(f"PRAGMA index_list({_quoted(name)})"))
    primary = sorted((column for column in columns if column[5]), key=lambda column: int(column[5]))
    key_index = next((index[1] for index in indexes if index[3] == "pk"), None)
    by_number = not primary or (len(primary) == 1 and key_index is None)  # then the key is the row's number
    key: tuple[KeyColumn | None, ...] = tuple(_key_column(column, sql) for column in primary)
    aliases = ROWID_NAMES - names if by_number else frozenset()
    if not primary:
        key = tuple(KeyColumn(alias, numeric=True) for alias in sorted(aliases)[:1])
    sequence = bool(_AUTOINCREMENT.search(sql))
    generated = any(column[6] in (_DYNAMIC, _STORED) for column in columns)
    return TableFacts(
        columns=tuple(column[1].lower() for column in columns if column[6] == _ORDINARY),
        key=tuple(column for column in key if column is not None) if None not in key else (),
        aliases=aliases,
        allocates=sequence or not (by_number or _is_without_rowid(query, key_index)),
        sequence=sequence,
        unique=_unique(query, indexes, names, generated),
    )


def _key_column(column: Any, sql: str) -> KeyColumn | None:
    """None if equal values may look different: collations, no affinity, floats."""
    name, declared = column[1].lower(), column[2].upper()
    # The rules, in their order, of https://www.sqlite.org/datatype3.html#determination_of_column_affinity
    if "INT" in declared:
        return KeyColumn(name, numeric=True)
    if any(part in declared for part in ("CHAR", "CLOB", "TEXT")):
        return None if _COLLATE.search(sql) else KeyColumn(name, numeric=False)
    if not declared or any(part in declared for part in ("BLOB", "REAL", "FLOA", "DOUB", "ANY")):
        return None
    return KeyColumn(name, numeric=True)


def _is_without_rowid(query: Query, key_index: str | None) -> bool:
    """The index of a primary key points to row numbers, unless it is the table itself."""
    if key_index is None:
        return False
    return all(row[1] != -1 for row in query(f"PRAGMA index_xinfo({_quoted(key_index)})"))


def _unique(query: Query, indexes: list[Any], names: frozenset[str], generated: bool) -> frozenset[str]:
    found: set[str] = set()
    for _, index, unique, origin, partial in (row[:5] for row in indexes):
        if not unique or origin == "pk":
            continue
        columns = [row[2] for row in query(f"PRAGMA index_info({_quoted(index)})")]
        if partial or generated or None in columns:
            return names
        found.update(column.lower() for column in columns)
    return frozenset(found)


def _targets(query: Query, name: str) -> Iterator[str]:
    try:
        for row in query(f"PRAGMA foreign_key_list({_quoted(name)})"):
            yield row[2].lower()
    except sqlite3.Error:  # a virtual table whose module is not loaded
        return


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
