"""PostgreSQL's catalog: reads the schema of a database in a few queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jobchaos.probes.server_schema import Reference, Relation, ServerSchema
from jobchaos.probes.table_facts import KeyColumn, TableFacts

Query = Callable[[str], Sequence[tuple[Any, ...]]]
_NAMESPACES = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'jobchaos\\_%'"
# now() and its kin by their numbers in pg_proc.dat; CURRENT_TIMESTAMP and its kin (primnodes.h: SQLValueFunctionOp).
_CLOCKS = ":funcid (1299|2647|2648|2649|274) |SQLVALUEFUNCTION :op [0-8] "

# pg_partition_root and inheritance: what happens to a child happens to its root.
_RELATIONS = f"""
SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, c.relrowsecurity,
    EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1'),
    EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
        AND t.tgname NOT LIKE 'jobchaos\\_%'),
    c.relhassubclass OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid),
    (SELECT min(i.inhparent::int8) FROM pg_inherits i WHERE i.inhrelid = c.oid),
    EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND c.relkind = 'v' AND r.ev_action::text ~ '{_CLOCKS}')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_NAMESPACES} ORDER BY 1
"""

# 1574 is nextval, see pg_proc.dat. pg_get_expr would wait for a table that the job itself has locked.
_COLUMNS = f"""
SELECT a.attrelid::int8, a.attnum, a.attname, t.typname, coalesce(l.collisdeterministic, true),
    a.attgenerated <> '', a.attidentity <> '' OR coalesce(d.adbin::text LIKE '{{FUNCEXPR :funcid 1574 %', false),
    pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f') AND {_NAMESPACES} ORDER BY 1, 2
"""

_INDEXES = f"""
SELECT i.indrelid::int8, i.indisprimary, i.indisunique, i.indisexclusion, i.indkey::int2[],
    i.indpred IS NOT NULL OR i.indexprs IS NOT NULL, i.indnkeyatts
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (i.indisunique OR i.indisexclusion) AND {_NAMESPACES}
"""

_REFERENCES = """
SELECT conrelid::int8, confrelid::int8, confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd')
FROM pg_constraint WHERE contype = 'f'
"""

_VIEWS = """
SELECT DISTINCT r.ev_class::int8, d.refobjid::int8, d.refclassid = 'pg_proc'::regclass
FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
WHERE d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass) AND d.refobjid <> r.ev_class AND d.refobjid >= 16384
"""

_FUNCTIONS = f"""
SELECT DISTINCT lower(p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
WHERE p.provolatile <> 'i' AND l.lanname NOT IN ('c', 'internal') AND {_NAMESPACES}
"""

_NUMERIC = frozenset({"int2", "int4", "int8"})
_TEXTS = frozenset({"text", "varchar"})


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    deterministic: bool
    generated: bool
    allocated: bool
    sequence: str | None

    @property
    def key(self) -> KeyColumn | None:
        """None if equal values may look different."""
        if self.type in _NUMERIC:
            return KeyColumn(self.name, numeric=True)
        if self.type == "uuid":
            return KeyColumn(self.name, numeric=False, uuid=True)
        return KeyColumn(self.name, numeric=False) if self.type in _TEXTS and self.deterministic else None


def read_schema(query: Query) -> ServerSchema:
    """The schema of a database.

    Args:
        query: Runs a query on it.
    """
    rows = query(_RELATIONS)
    parents = {row[0]: row[8] for row in rows}
    names = {row[0]: _named(row[1], row[2]) for row in rows}
    roots = {oid: names[_root(oid, parents)] for oid in names}
    columns: dict[int, dict[int, _Column]] = defaultdict(dict)
    for oid, number, name, *rest in query(_COLUMNS):
        columns[oid][number] = _Column(name.lower(), *rest)
    indexes: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for oid, *index in query(_INDEXES):
        indexes[oid].append(tuple(index))
    found = _Found(roots, columns, indexes, query(_REFERENCES), query(_VIEWS))
    called: dict[str, dict[str, None]] = defaultdict(dict)
    for oid, schema, name, *_ in rows:
        for each in (name.lower(), f"{schema}.{name}".lower()):
            called[each][roots[oid]] = None
    return ServerSchema(
        {names[row[0]]: found.relation(row) for row in rows if row[8] is None},  # others stand for their roots
        {name: tuple(known) for name, known in called.items()},
        frozenset(name for (name,) in query(_FUNCTIONS)),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What the catalog says, by the numbers of tables."""

    roots: dict[int, str]
    columns: dict[int, dict[int, _Column]]
    indexes: dict[int, list[tuple[Any, ...]]]
    references: Sequence[tuple[Any, ...]]
    behind: Sequence[tuple[Any, ...]]

    def relation(self, row: tuple[Any, ...]) -> Relation:
        """One relation, from its row."""
        oid, _, _, kind, secured, ruled, triggered, inherited, _, asks_for_time = row
        roots, columns, indexes = self.roots, self.columns[oid], self.indexes[oid]
        children = [(roots[child], cascades) for child, to, cascades in self.references if to == oid and child in roots]
        referrers = frozenset(child.lower() for child, _ in children)
        behind = [(to, is_code) for view, to, is_code in self.behind if view == oid]
        return Relation(
            name=roots[oid],
            facts=TableFacts() if inherited else _facts(columns, indexes, referrers, triggered=triggered),
            identifying=frozenset(
                columns[number].name for index in indexes for number in index[3] if number in columns
            ),
            is_foreign=kind == "f",
            is_view=kind in ("v", "m"),
            behind=tuple(roots[to] for to, is_code in behind if not is_code and to in roots),
            asks_for_time=asks_for_time,
            reads_unknown=secured or any(is_code for _, is_code in behind),
            writes_unknown=triggered or ruled or inherited,
            sequences=tuple(column.sequence for column in columns.values() if column.sequence),
            parents=tuple({roots[to]: None for child, to, _ in self.references if child == oid and to in roots}),
            children=tuple(Reference(child, cascades) for child, cascades in children),
        )


def _named(schema: str, table: str) -> str:
    return table if schema == "public" else f"{schema}.{table}"


def _root(oid: int, parents: dict[int, int | None]) -> int:
    while (parent := parents.get(oid)) is not None and parent in parents:
        oid = parent
    return oid


def _facts(
    columns: dict[int, _Column], indexes: list[tuple[Any, ...]], referrers: frozenset[str], *, triggered: bool
) -> TableFacts:
    key: tuple[KeyColumn | None, ...] = ()
    unique: set[str] = set()
    names = [column.name for column in columns.values()]
    for primary, is_unique, excludes, numbers, odd, width in indexes:
        own = [columns[number] for number in numbers[:width] if number in columns]
        if primary:
            key = tuple(column.key for column in own)
        elif odd or excludes or not is_unique or any(column.generated for column in own):
            unique.update(names)
        else:
            unique.update(column.name for column in own)
    if None in key or len(set(names)) < len(names):
        key = ()
    return TableFacts(
        columns=tuple(column.name for column in columns.values() if not column.generated),
        key=tuple(column for column in key if column is not None),
        allocates=any(column.allocated for column in columns.values()),
        unique=frozenset(unique),
        triggers=triggered,
        referenced_by=referrers,
    )
