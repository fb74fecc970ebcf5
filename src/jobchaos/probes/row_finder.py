"""RowFinder: which single rows of a table a SQLite statement can meet, if its text proves it.

A statement names rows by their primary key: `WHERE id = ?` (and more), or `INSERT ... VALUES` with the key. Whatever is
less plain (joins, subqueries, OR, expressions) names the whole table, and so does what sqlglot cannot parse. Importing
it takes a tenth of a second, so this module is imported when the first statement is to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import sqlglot
from sqlglot import exp

from jobchaos.probes.row_keys import WHOLE, Bound, RowKeys, Value
from jobchaos.probes.table_facts import TableFacts

_PLAIN_TYPES = ("int", "bigint", "smallint", "text", "varchar", "uuid")
_LEXEME = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]   # strings and names
    |(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    |\?(?P<number>\d*)
    |[:@$](?P<name>[A-Za-z_]\w*)""",
    re.VERBOSE | re.DOTALL,
)
NUMBERED = "jobchaos_"
"""What placeholders are called before their numbers, as sqlglot knows them by names only."""


def find_row_keys(sql: str, tables: Mapping[str, TableFacts]) -> RowKeys | None:
    """The rows of one table that a statement names; None if it may meet others.

    Args:
        sql: Its text.
        tables: What the schema says, by name in small letters.
    """
    tree = _parsed(sql)
    name = None if tree is None else _only_table(tree)
    if tree is None or name is None or name not in tables or _table_of(tree).db.lower() not in ("", "main"):
        return None
    return _rows_of(tree, name, tables[name])


def rows_of(tree: exp.Expr, name: str, table: TableFacts) -> RowKeys | None:
    """The rows that a statement names, if it looks at one table only; None if it may meet others.

    Args:
        tree: The statement, parsed; parameters are placeholders called `NUMBERED` and a number, from 1.
        name: What the table is called in resource paths, in small letters.
        table: What the schema says about it.
    """
    return None if _only_table(tree) is None else _rows_of(tree, name, table)


def _rows_of(tree: exp.Expr, name: str, table: TableFacts) -> RowKeys | None:
    if not table.key:
        return None
    if isinstance(tree, exp.Select):
        return _row_where(tree, name, table)
    if table.triggers or name in table.referenced_by:  # then it may meet other rows of the same table
        return None
    if isinstance(tree, exp.Update):  # foreign keys to it do not matter as long as what they refer to stays
        return _row_where(tree, name, table) if _keeps_keys(tree.expressions, table) else None
    if table.referenced_by:
        return None
    if isinstance(tree, exp.Delete):
        return _row_where(tree, name, table)
    return _rows_inserted(tree, name, table) if isinstance(tree, exp.Insert) else None


def _parsed(sql: str) -> exp.Expr | None:
    text = _prepared(sql)
    if text is None:
        return None
    try:
        trees = sqlglot.parse(text, dialect="sqlite")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None
    return trees[0] if len(trees) == 1 else None


def _prepared(sql: str) -> str | None:
    """The text without comments, and with each `?` numbered as SQLite does; None where names and numbers mix."""
    numbers, named, largest = False, False, 0

    def rewrite(match: re.Match[str]) -> str:
        nonlocal numbers, named, largest
        if match["comment"] is not None:
            return " "
        if match["name"] is not None:
            named = True
            return f":{match['name']}"
        if match["number"] is None:
            return match.group()
        numbers = True
        number = int(match["number"] or largest + 1)
        largest = max(largest, number)
        return f":{NUMBERED}{number}"

    text = _LEXEME.sub(rewrite, sql)
    text = re.sub(r"\s*replace\b", "INSERT OR REPLACE", text, count=1, flags=re.IGNORECASE) if _replaces(text) else text
    return None if numbers and named else text


def _replaces(text: str) -> bool:
    return text.lstrip()[:7].upper() == "REPLACE"


def _only_table(tree: exp.Expr) -> str | None:
    """The table that it looks at, if it looks at nothing else and only once."""
    tables = list(tree.find_all(exp.Table))
    if len(tables) != 1:
        return None
    if any(membership.args.get("field") for membership in tree.find_all(exp.In)):  # x IN table
        return None
    others = (exp.With, exp.Join, exp.Subquery, exp.Select, exp.SetOperation, exp.Command)
    return tables[0].name.lower() if all(node is tree for node in tree.find_all(*others)) else None


def _table_of(tree: exp.Expr) -> exp.Table:
    return next(tree.find_all(exp.Table))


def _row_where(tree: exp.Expr, name: str, table: TableFacts) -> RowKeys | None:
    where = tree.args.get("where")
    if where is None:
        return None
    found: dict[str, Value] = {}
    for condition in _conjuncts(where.this):
        if isinstance(condition, exp.EQ):
            for column, other in ((condition.left, condition.right), (condition.right, condition.left)):
                part, value = _key_name(column, table), _value(other)
                if part is not None and value is not None:
                    found.setdefault(part, value)
    row = _row(found, table)
    return None if row is None else RowKeys(name, table.key, (row,), isinstance(tree, exp.Select))


def _rows_inserted(tree: exp.Insert, name: str, table: TableFacts) -> RowKeys | None:
    values, conflict, target = tree.expression, tree.args.get("conflict"), tree.this
    if table.allocates or table.unique or not isinstance(values, exp.Values):
        return None
    if conflict is not None and not _keeps_keys(conflict.expressions, table):
        return None
    named = isinstance(target, exp.Schema)
    names = [column.name.lower() for column in target.expressions] if named else list(table.columns)
    rows: list[tuple[Value, ...]] = []
    for given in values.expressions:
        if not isinstance(given, exp.Tuple) or len(given.expressions) != len(names):
            return None
        found: dict[str, Value] = {}
        for column, item in zip(names, given.expressions, strict=True):
            part, value = _plain_key_name(column, table), _value(item)
            if part is not None and (value is None or part in found):  # named twice: by two of its names
                return None
            if part is not None and value is not None:
                found[part] = value
        row = _row(found, table)
        if row is None:
            return None
        rows.append(row)
    return RowKeys(name, table.key, tuple(rows))


def _row(found: dict[str, Value], table: TableFacts) -> tuple[Value, ...] | None:
    if any(column.name not in found for column in table.key):
        return None
    return tuple(found[column.name] for column in table.key)


def _keeps_keys(assignments: list[exp.Expr], table: TableFacts) -> bool:
    """True if the assignments of an UPDATE change nothing that has to be unique."""
    for assignment in assignments:
        if not isinstance(assignment, exp.EQ) or not isinstance(assignment.left, exp.Column):
            return False
        name = assignment.left.name.lower()
        if _plain_key_name(name, table) is not None or name in table.unique:
            return False
    return True


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    else:
        yield condition


def _key_name(column: exp.Expr, table: TableFacts) -> str | None:
    return _plain_key_name(column.name.lower(), table) if isinstance(column, exp.Column) else None


def _plain_key_name(name: str, table: TableFacts) -> str | None:
    if name in table.aliases:
        return table.key[0].name
    return name if any(column.name == name for column in table.key) else None


def _value(node: exp.Expr) -> Value | None:
    if isinstance(node, exp.Placeholder) and node.name:
        name = node.name
        return Bound(int(name.removeprefix(NUMBERED)) - 1 if name.startswith(NUMBERED) else name)
    if isinstance(node, exp.Cast) and node.to.is_type(*_PLAIN_TYPES) and not node.to.expressions:
        return _value(node.this)  # as an ORM writes its parameters: CAST(? AS INTEGER)
    sign = 1
    if isinstance(node, exp.Neg):
        node, sign = node.this, -1
    if not isinstance(node, exp.Literal):
        return None
    text = str(node.this)
    if node.is_string:
        return text if sign == 1 else None
    return sign * int(text) if WHOLE.fullmatch(text) else None
