"""MySQL's and MariaDB's catalog: reads the schema of a database in a few queries.

InnoDB locks the gaps between rows, too, so that statements on different rows may wait for each other
(https://mariadb.com/kb/en/innodb-lock-modes/#gap-locks): so locks are whole tables. Data is told apart by rows where
the key is a whole number; texts are compared without regard to case.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobchaos.probes.server_schema import Reference, Relation, ServerSchema
from jobchaos.probes.table_facts import KeyColumn, TableFacts

Query = Callable[[str], Sequence[tuple[Any, ...]]]

_TABLES = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = DATABASE()"
_UNIQUE = (
    "SELECT table_name, column_name, index_name = 'PRIMARY' FROM information_schema.statistics "
    "WHERE table_schema = DATABASE() AND non_unique = 0 AND column_name IS NOT NULL ORDER BY table_name, seq_in_index"
)
_COLUMNS = (
    "SELECT table_name, column_name, data_type, extra FROM information_schema.columns "
    "WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
)
_REFERENCES = (
    "SELECT table_name, referenced_table_name, delete_rule, update_rule "
    "FROM information_schema.referential_constraints "
    "WHERE constraint_schema = DATABASE() AND unique_constraint_schema = DATABASE()"
)
_TRIGGERS = "SELECT event_object_table FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
_VIEWS = "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = DATABASE()"
_CLOCKS = re.compile(
    r"\b(?:now|(?:current|utc)_(?:date|time|timestamp)|cur(?:date|time)|sysdate|local(?:time|timestamp))\s*\("
    r"|\bunix_timestamp\s*\(\s*\)",
    re.IGNORECASE,
)
_ROUTINES = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()"
_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_CHANGING = ("CASCADE", "SET NULL", "SET DEFAULT")
UNPROTECTED = (
    "SELECT table_name, engine FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND engine <> 'InnoDB'"
)
"""The tables that take no part in transactions, as far as we know."""


def read_schema(query: Query) -> ServerSchema:
    """The schema of the current database.

    Args:
        query: Runs a query on it.
    """
    ((database,),) = query("SELECT DATABASE()")
    kinds = {str(name): str(kind) for name, kind in query(_TABLES)}
    columns, unique = _columns(query)
    references = query(_REFERENCES)
    triggered = {table for (table,) in query(_TRIGGERS)}
    timed = _timed(query(_VIEWS))
    referrers: dict[str, set[str]] = defaultdict(set)
    for table, to, _, _ in references:
        referrers[to].add(table.lower())
    relations = {
        name: Relation(
            name,
            _facts(columns[name], unique[name], frozenset(referrers[name]), triggered=name in triggered),
            frozenset(column for column, _ in unique[name]),
            is_view=kind == "VIEW",
            asks_for_time=name in timed,
            reads_unknown=kind == "VIEW",  # MariaDB does not say what is behind one
            writes_unknown=kind == "VIEW" or name in triggered,
            parents=tuple({to: None for table, to, _, _ in references if table == name and to in kinds}),
            children=tuple(
                Reference(table, cascades=delete in _CHANGING or update in _CHANGING)
                for table, to, delete, update in references
                if to == name and table in kinds
            ),
        )
        for name, kind in kinds.items()
    }
    called = {each.lower(): (name,) for name in kinds for each in (name, f"{database}.{name}")}
    routines = frozenset(name.lower() for (name,) in query(_ROUTINES))
    return ServerSchema(relations, called, routines, locks_gaps=True)


def _columns(
    query: Query,
) -> tuple[Mapping[str, dict[str, tuple[str, str]]], Mapping[str, list[tuple[str, bool]]]]:
    """By table: types and further properties of columns; the columns of unique indexes, and whether it is the key's."""
    columns: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for table, column, data, extra in query(_COLUMNS):
        columns[table][column.lower()] = data.lower(), extra.lower()
    unique: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for table, column, primary in query(_UNIQUE):
        unique[table].append((column.lower(), bool(primary)))
    return columns, unique


def _timed(views: Sequence[tuple[Any, ...]]) -> set[str]:
    """The views that ask for the time, or read one that does."""
    timed = {name for name, definition in views if _CLOCKS.search(str(definition))}
    while True:
        readers = {name for name, definition in views if any(f"`{each}`" in str(definition) for each in timed)}
        if readers <= timed:
            return timed
        timed |= readers


def _facts(
    columns: Mapping[str, tuple[str, str]],
    unique: Sequence[tuple[str, bool]],
    referrers: frozenset[str],
    *,
    triggered: bool,
) -> TableFacts:
    key = [column for column, primary in unique if primary]
    plain = all(columns[column][0] in _WHOLE for column in key)
    return TableFacts(
        columns=tuple(column for column, (_, extra) in columns.items() if "generated" not in extra),
        key=tuple(KeyColumn(column, numeric=True) for column in key) if plain else (),
        allocates=any("auto_increment" in extra for _, extra in columns.values()),
        unique=frozenset(column for column, primary in unique if not primary),
        triggers=triggered,
        referenced_by=referrers,
    )
