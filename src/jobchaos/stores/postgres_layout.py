"""PostgresLayout: the tables of a database, how their rows are read, told apart and put back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobchaos.core.snapshot import SERVER_TIME, Table

Query = Callable[[str], Sequence[tuple[Any, ...]]]

OURS = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'jobchaos\\_%'"
"""Of pg_namespace n: that it is neither the server's own nor one of ours."""
HAS_TRIGGERS = "EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)"
"""Of pg_class c: that somebody has put triggers on it."""
_COLUMNS = f"""
SELECT c.oid::int8, n.nspname, c.relname, a.attname, t.typname, t.typtype, a.attgenerated <> '',
    a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) ~ '(nextval|gen_random_uuid|uuid_generate)', false),
    a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.atttypid >= 16384, {HAS_TRIGGERS}
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relkind = 'r' AND {OURS} AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY n.nspname, c.relname, a.attnum
"""
_KEYS = "SELECT conrelid::int8, conkey::int2[] FROM pg_constraint WHERE contype = 'p'"
_REFERENCES = (
    "SELECT conrelid::int8, conkey::int2[], confrelid::int8, confkey::int2[] FROM pg_constraint WHERE contype = 'f'"
)
_SEQUENCES = f"""
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND {OURS} ORDER BY 1
"""

_PLAIN = frozenset({"int2", "int4", "int8", "float4", "float8", "text", "varchar", "bytea"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Its name.
        type: The name of its type, without parameters.
        computed: Whether it is made from others.
        declared: Its type as it was declared, and whether it may be null.
        own: Its type in SQL, if that is of the user's making; such values are kept as texts, as the type may go.
    """

    name: str
    type: str
    computed: bool
    declared: str
    own: str = ""

    def kept(self, alias: str = "") -> str:
        """What of it is kept, in SQL."""
        cell = f"{alias}.{quoted(self.name)}" if alias else quoted(self.name)
        return f"{cell}::text" if self.own else cell

    def returned(self) -> str:
        """What is put back of what was kept, in SQL."""
        return f"{quoted(self.name)}::{self.own}" if self.own else quoted(self.name)

    def compared(self, since: str) -> str:
        """What of it is compared, in SQL.

        Args:
            since: The server's time of the capture, as an SQL literal.
        """
        name = quoted(self.name)
        if self.type in _PLAIN:
            return name
        if self.type == "json":
            return f"{name}::jsonb::text"
        if self.type == "timestamptz":
            return f"CASE WHEN {name} BETWEEN {since} AND clock_timestamp() THEN '{SERVER_TIME}' ELSE {name}::text END"
        if self.type == "timestamp":
            local, utc = f"{name} AT TIME ZONE current_setting('timezone')", f"{name} AT TIME ZONE 'UTC'"
            within = f"BETWEEN {since} AND clock_timestamp()"
            return f"CASE WHEN {local} {within} OR {utc} {within} THEN '{SERVER_TIME}' ELSE {name}::text END"
        if self.type == "numeric":
            epoch = f"BETWEEN floor(extract(epoch FROM {since})) AND extract(epoch FROM clock_timestamp())"
            return f"CASE WHEN {name} {epoch} THEN '{SERVER_TIME}' ELSE {name}::text END"
        return f"{name}::text"


@dataclass(frozen=True, slots=True)
class LaidTable:
    """One table.

    Attributes:
        identity: The server's number of it. Another one of the same name is another table.
        name: What reports call it: `users`, `billing.users`.
        path: What SQL calls it: `"public"."users"`.
        columns: Its columns, in order.
        empty: How it looks in a snapshot, without rows.
        referrers: Names of the tables that refer to it.
        has_triggers: Whether the user has put any on it.
    """

    identity: int
    name: str
    path: str
    columns: tuple[Column, ...]
    empty: Table
    referrers: frozenset[str] = frozenset()
    has_triggers: bool = False

    @property
    def rows(self) -> str:
        """What SQL calls its own rows, without those of tables that inherit from it."""
        return f"ONLY {self.path}"

    @property
    def given(self) -> tuple[Column, ...]:
        """The columns that are kept and put back."""
        return tuple(column for column in self.columns if not column.computed)

    @property
    def stored(self) -> str:
        """Their names, in SQL; empty if there are none."""
        return f"({', '.join(quoted(column.name) for column in self.given)})" if self.given else ""

    @property
    def kept(self) -> str:
        """What of them is kept besides, in SQL."""
        return "".join(f", {column.kept()} AS {quoted(column.name)}" for column in self.given)

    @property
    def returned(self) -> str:
        """What of that is put back, in SQL."""
        return ", ".join(column.returned() for column in self.given)

    @property
    def same_row(self) -> str:
        """Whether `now` and `kept` are the same row by its key, in SQL; empty if rows cannot be told apart."""
        given = {column.name: column for column in self.given}
        if not self.empty.key or not given.keys() >= set(self.empty.key):
            return ""
        return " AND ".join(f"{given[name].kept('now')} = kept.{quoted(name)}" for name in self.empty.key)

    @property
    def same_content(self) -> str:
        """Whether `now` and `kept` hold the same, in SQL: `*=` compares two records by their bytes."""
        now = ", ".join(column.kept("now") for column in self.given)
        kept = ", ".join(f"kept.{quoted(column.name)}" for column in self.given)
        return f"ROW({now})::record *= ROW({kept})::record"

    @property
    def shape(self) -> tuple[object, ...]:
        """Equal for tables that rows can be moved between."""
        return self.identity, self.columns


@dataclass(frozen=True, slots=True)
class PostgresLayout:
    """A database's tables and sequences, as they are at the moment.

    Attributes:
        tables: By name.
        sequences: What SQL calls them.
    """

    tables: Mapping[str, LaidTable] = field(default_factory=dict)
    sequences: tuple[str, ...] = ()


def read_layout(query: Query) -> PostgresLayout:
    """The layout of a database.

    Args:
        query: Runs a query on it.
    """
    rows = query(_COLUMNS)
    names = {row[0]: _named(row[1], row[2]) for row in rows}
    paths = {row[0]: f"{quoted(row[1])}.{quoted(row[2])}" for row in rows}
    columns: dict[int, dict[int, Column]] = defaultdict(dict)
    generated: dict[int, set[str]] = defaultdict(set)
    triggered = {row[0] for row in rows if row[-1]}
    for oid, _, _, name, kind, _, computed, made, number, declared, required, own, _ in rows:
        if name is not None:
            shown = f"{declared}{' NOT NULL' * bool(required)}"
            columns[oid][number] = Column(name, kind, computed, shown, declared if own else "")
            if made:
                generated[oid].add(name)
    keys = {oid: tuple(columns[oid][n].name for n in numbers) for oid, numbers in query(_KEYS) if oid in names}
    references: dict[int, dict[str, tuple[str, str]]] = defaultdict(dict)
    referrers: dict[int, set[str]] = defaultdict(set)
    for oid, own, target, theirs in query(_REFERENCES):
        if oid in names and target in names:
            referrers[target].add(names[oid])
            for mine, other in zip(own, theirs, strict=True):
                references[oid][columns[oid][mine].name] = names[target], columns[target][other].name

    def table(oid: int) -> LaidTable:
        own = tuple(columns[oid].values())
        empty = Table(
            tuple(column.name for column in own), (), keys.get(oid, ()), frozenset(generated[oid]), references[oid]
        )
        return LaidTable(oid, names[oid], paths[oid], own, empty, frozenset(referrers[oid]), oid in triggered)

    return PostgresLayout({names[oid]: table(oid) for oid in names}, tuple(name for (name,) in query(_SEQUENCES)))


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _named(schema: str, table: str) -> str:
    return table if schema == "public" else f"{schema}.{table}"
