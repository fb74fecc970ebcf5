"""Which statements decide by the clock of an SQL server, which is real and stands beside virtual time.

A moment that is only written down (`created_at = now()`, `DEFAULT now()`) decides nothing. One that rows are chosen by,
that is compared with, or that the job is told, may decide whether a lease has run out.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

_words = str.split
_CALLS = frozenset(
    _words("""
    CurrentDate CurrentDatetime CurrentTime CurrentTimestamp CurrentTimestampLTZ Localtime Localtimestamp Systimestamp
    UtcDate UtcTime UtcTimestamp
    """)
)
"""sqlglot's classes: by their names, as not every version knows all of them."""
_NAMES = frozenset(
    _words("""
    clock_timestamp curdate current_timestamp curtime localtime localtimestamp now statement_timestamp sysdate timeofday
    transaction_timestamp unix_timestamp utc_date utc_time utc_timestamp
    """)
)
_OF_A_VALUE = frozenset({"unix_timestamp"})
"""With an argument, they do not ask for the time."""
_WORDS = frozenset({"now", "today", "tomorrow", "yesterday"})
"""Texts that PostgreSQL reads as moments: https://www.postgresql.org/docs/current/datatype-datetime.html, 8.5.1.4."""
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_CONDITIONS = (exp.Where, exp.Having, exp.Join, exp.When, exp.Returning)
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NEQ, exp.Between)


def deciding_call(trees: Sequence[exp.Expr], dialect: str) -> str:
    """The first call by which a statement decides on the server's time; empty if there is none.

    Args:
        trees: The statement.
        dialect: sqlglot's name of its SQL.
    """
    calls = (node for tree in trees for node in tree.walk() if _asks(node))
    return next((node.sql(dialect=dialect) for node in calls if _decides(node)), "")


def _asks(node: exp.Expr) -> bool:
    """Whether it gives the server's time."""
    if type(node).__name__ in _CALLS:
        return True
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        return (name in _NAMES and not (name in _OF_A_VALUE and node.expressions)) or (
            name == "age" and len(node.expressions) == 1
        )
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal):
        return node.this.name.lower() in _WORDS and node.to.is_type(*exp.DataType.TEMPORAL_TYPES)
    return False


def _decides(node: exp.Expr) -> bool:
    """Whether rows depend on it, or the job is told it."""
    above = node.parent
    while above is not None:
        is_condition = isinstance(above, exp.If | exp.Case) and node.arg_key == "this"  # and no value for a case
        if is_condition or isinstance(above, (*_CONDITIONS, *_COMPARISONS)):
            return True
        if isinstance(above, _CHANGES):
            return False
        node, above = above, above.parent
    return True
