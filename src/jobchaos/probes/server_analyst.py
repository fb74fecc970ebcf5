"""Analyst: what a statement to an SQL server touches, as its text and the schema prove; else the whole database.

Importing it takes a tenth of a second (sqlglot), so this module is imported when the first statement is to be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import sqlglot
from sqlglot import exp

from jobchaos.core.effect import Mode, Touch
from jobchaos.probes.row_finder import NUMBERED, rows_of
from jobchaos.probes.row_keys import RowKeys
from jobchaos.probes.server_schema import Relation, ServerSchema
from jobchaos.probes.server_statement import COMMITTING, CONTROLLING, KEYS, SILENT, UNDOING, ServerStatement
from jobchaos.probes.server_time import deciding_call
from jobchaos.probes.statement import Statement, first_word
from jobchaos.probes.table_facts import TableFacts

_LEXEME = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$  # strings and names
    |(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    |\$(?P<number>\d+)""",
    re.VERBOSE | re.DOTALL,
)
_PARSED = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE", "TRUNCATE", "REPLACE"})
_REPLACE = re.compile(r"^\s*replace\b", re.IGNORECASE)
_WITHOUT_DATA = CONTROLLING | COMMITTING | UNDOING | SILENT | {"FETCH", "MOVE", "NOTIFY"}
_CURSOR = re.compile(r"\s*declare\b.*?\bcursor\b.*?\bfor\s+", re.IGNORECASE | re.DOTALL)
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_SEQUENCE = frozenset({"nextval", "next_value_for", "setval", "currval", "lastval"})
_ADVISORY = re.compile(r"(pg_(try_)?advisory_|get_lock|release_(all_)?locks?|is_(free|used)_lock)", re.IGNORECASE)
_OPAQUE = re.compile(r"(lo_|lo(read|write)|dblink|query_to_xml|database_to_xml|table_to_xml|pg_read_|load_file)")

_ELSEWHERE = {
    "foreign:dblink": re.compile(
        r"\bdblink_(exec|send_query)\b|\bdblink\s*\(.*\b(insert|update|delete|merge|call|do)\b",
        re.IGNORECASE | re.DOTALL,
    ),
    "largeobject:all": re.compile(r"\b(lo_(creat|from_bytea|import|open|put|truncate|unlink)|lowrite)", re.IGNORECASE),
    "prepared:transactions": re.compile(r"^\s*(xa\s+prepare|prepare\s+transaction)\b", re.IGNORECASE),
}
"""What statements may change beside the tables of a database, and no store captures."""

_CATALOG = Relation("@schema", TableFacts())


class Analyst:
    """Reads statements in one dialect.

    Args:
        base: Resource path of the database.
        dialect: sqlglot's name of it.
        schema: The database's schema.
    """

    def __init__(self, base: str, dialect: str, schema: ServerSchema) -> None:
        self._base = base
        self._dialect = dialect
        self._schema = schema

    def read(self, sql: str) -> ServerStatement:
        """What `sql` does.

        Args:
            sql: Its text, with parameters as `$1`, or none.
        """
        word = first_word(sql)
        if word in _WITHOUT_DATA and ";" not in sql.rstrip().rstrip(";"):
            return ServerStatement(Statement(word, ()), self._base)
        cursor = _CURSOR.match(sql) if word == "DECLARE" else None
        trees = self._parse(sql[cursor.end() :] if cursor else sql, word if cursor is None else "SELECT")
        if trees is None:
            return self._unknown(word, sql)
        touches: dict[Touch, None] = {}
        for tree in trees:
            if not self._add_touches(tree, touches):
                return self._unknown(word, sql)
        advisory = any(_ADVISORY.match(name) for tree in trees for name in _functions(tree))
        is_counted = not advisory and self._is_counted(trees, touches)
        return ServerStatement(
            Statement(word, tuple(touches), self._rows(trees), is_counted),
            self._base,
            locks_rows=any(tree.find(exp.Lock) is not None for tree in trees),
            advisory=advisory,
            locks_gaps=self._schema.locks_gaps,
            clock=deciding_call(trees, self._dialect) or self._clock_in_a_view(trees),
        )

    def _clock_in_a_view(self, trees: list[exp.Expr]) -> str:
        """What a view asks that a statement reads; empty if none asks for the time."""
        tables = [table for tree in trees for table in tree.find_all(exp.Table) if not isinstance(table.this, exp.Func)]
        waiting = [relation for table in tables for relation in self._called(table)]
        for relation in waiting:
            if relation.asks_for_time:
                return f"what the view {relation.name} asks"
            waiting += [self._schema.relations[name] for name in relation.behind]
        return ""

    def _unknown(self, word: str, sql: str) -> ServerStatement:
        advisory = _ADVISORY.search(sql) is not None
        touches = [Touch(self._base, Mode.WRITE)]
        touches += [Touch(resource, Mode.WRITE) for resource, calls in _ELSEWHERE.items() if calls.search(sql)]
        return ServerStatement(Statement(word, tuple(touches)), self._base, advisory=advisory, schema=True)

    def _parse(self, sql: str, word: str) -> list[exp.Expr] | None:
        if word not in _PARSED:
            return None
        text = _LEXEME.sub(_rewritten, sql)
        if word == "REPLACE":  # MySQL's, which sqlglot does not know, and says so in its log
            text = _REPLACE.sub("INSERT OR REPLACE", text, count=1)
        try:
            trees = sqlglot.parse(text, dialect=self._dialect)
        except (sqlglot.errors.SqlglotError, RecursionError):
            return None
        known = [tree for tree in trees if tree is not None]
        allowed = (*_CHANGES, exp.Query, exp.Values, exp.TruncateTable)
        return known if known and all(isinstance(tree, allowed) for tree in known) else None

    def _add_touches(self, tree: exp.Expr, touches: dict[Touch, None]) -> bool:
        """Add what a tree touches; False if that is not known."""
        if tree.find(exp.Into) is not None:
            return False
        for function in _functions(tree):
            if function in self._schema.opaque or _OPAQUE.match(function):
                return False
            if function in _SEQUENCE:
                touches[Touch(f"{self._base}/@sequences", Mode.WRITE)] = None
        named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
        targets = dict(_targets(tree))
        for table in tree.find_all(exp.Table):
            if isinstance(table.this, exp.Func) or (not table.db and table.name.lower() in named):
                continue
            relations = self._called(table)
            other = "" if relations else self._elsewhere(table)
            if other:
                touches[Touch(other, Mode.WRITE if id(table) in targets else Mode.READ)] = None
            elif not relations:
                return False
            for relation in relations:
                self._read(relation, touches)
                if id(table) in targets:
                    self._write(relation, _effect_of(targets[id(table)], relation), touches, set())
        return True

    def _called(self, table: exp.Table) -> list[Relation]:
        name = table.name.lower()
        if table.db:
            name = f"{table.db.lower()}.{name}"
        if name.startswith(("information_schema.", "pg_catalog.", "performance_schema.", "mysql.")):
            return [_CATALOG]
        found = self._schema.called.get(name, ())
        if not found and not table.db and name.startswith("pg_"):
            return [_CATALOG]
        return [self._schema.relations[each] for each in found]

    def _elsewhere(self, table: exp.Table) -> str:
        """Resource path of another database of the server; empty if a table is not said to be in one."""
        server, _, own = self._base.rpartition("/")
        is_said = self._dialect == "mysql" and table.db and table.db.lower() != own.lower()
        return f"{server}/{table.db}" if is_said else ""

    def _read(self, relation: Relation, touches: dict[Touch, None]) -> None:
        touches[Touch(self._base if relation.reads_unknown else f"{self._base}/{relation.name}", Mode.READ)] = None
        for name in relation.behind:
            self._read(self._schema.relations[name], touches)

    def _write(self, relation: Relation, change: str, touches: dict[Touch, None], seen: set[str]) -> None:
        if relation.name in seen:
            return
        seen.add(relation.name)
        if relation.is_foreign:
            touches[Touch(f"foreign:{relation.name}", Mode.WRITE)] = None
            return
        unknown = relation.writes_unknown or relation.is_view
        touches[Touch(self._base if unknown else f"{self._base}/{relation.name}", Mode.WRITE)] = None
        if change in ("insert", "merge"):
            for name in relation.sequences:
                touches[Touch(f"{self._base}/@sequences/{name}", Mode.WRITE)] = None
        if change != "delete":
            for name in relation.parents:
                if name != relation.name:
                    touches[Touch(f"{self._base}/{name}{KEYS}", Mode.READ)] = None
        if change in ("delete", "merge", "rekey"):
            for reference in relation.children:
                child = self._schema.relations[reference.table]
                if reference.cascades:
                    self._write(child, "delete", touches, seen)
                else:
                    touches[Touch(f"{self._base}/{child.name}", Mode.READ)] = None

    def _is_counted(self, trees: list[exp.Expr], touches: Iterable[Touch]) -> bool:
        """True if it changes counted rows, if anything: triggers and sequences may do more, also without any row."""
        if len(trees) != 1 or not isinstance(trees[0], exp.Insert | exp.Update | exp.Delete) or trees[0].find(exp.CTE):
            return False
        target = trees[0].find(exp.Table) if isinstance(trees[0], exp.Insert) else None
        if target is not None and any(relation.facts.allocates for relation in self._called(target)):
            return False
        sequences = f"{self._base}/@sequences"
        return not any(touch.resource == self._base or touch.resource.startswith(sequences) for touch in touches)

    def _rows(self, trees: list[exp.Expr]) -> RowKeys | None:
        if len(trees) != 1:
            return None
        if self._dialect == "mysql" and trees[0].find(exp.OnConflict) is not None:
            return None  # it changes whichever row is in the way of any unique key
        tables = list(trees[0].find_all(exp.Table))
        relations = self._called(tables[0]) if len(tables) == 1 else []
        if len(relations) != 1 or relations[0].is_view:
            return None
        return rows_of(trees[0], relations[0].name.lower(), relations[0].facts)


def _targets(tree: exp.Expr) -> Iterator[tuple[int, exp.Expr]]:
    """The tables that are changed, by their identity in the tree, and by what."""
    for change in tree.find_all(*_CHANGES):
        target = change.this
        target = target.this if isinstance(target, exp.Schema) else target
        yield id(target), change
        if isinstance(change, exp.Delete):
            for table in change.args.get("tables") or ():
                yield id(table), change
    if isinstance(tree, exp.TruncateTable):
        for table in tree.expressions:
            yield id(table), tree


def _effect_of(change: exp.Expr, relation: Relation) -> str:
    """How a statement changes a table: `insert`, `update`, `rekey` (others may refer to the row), `delete`, `merge`."""
    if isinstance(change, exp.TruncateTable):
        return "delete"
    if change.args.get("alternative") == "REPLACE":
        return "merge"  # it deletes the row that is in the way
    if not isinstance(change, exp.Update):
        return type(change).__name__.lower()
    plain = all(isinstance(each, exp.EQ) and isinstance(each.left, exp.Column) for each in change.expressions)
    changed = {each.left.name.lower() for each in change.expressions} if plain else None
    return "update" if changed is not None and not changed & relation.identifying else "rekey"


def _functions(tree: exp.Expr) -> Iterator[str]:
    for function in tree.find_all(exp.Func):
        name = function.name if isinstance(function, exp.Anonymous) else function.sql_name()
        yield name.lower()


def _rewritten(match: re.Match[str]) -> str:
    if match["comment"] is not None:
        return " "
    return f":{NUMBERED}{match['number']}" if match["number"] else match.group()
