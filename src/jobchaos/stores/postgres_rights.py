"""What the job's user may do with the tables of a PostgreSQL database: less than all may be too little for a check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jobchaos.errors import UsageError
from jobchaos.stores.postgres_layout import HAS_TRIGGERS, OURS

_HIDDEN = f"""
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {OURS} AND has_schema_privilege(n.oid, 'USAGE') AND CASE
    WHEN has_table_privilege(c.oid, 'SELECT') THEN row_security_active(c.oid)
    ELSE has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
        OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f') END ORDER BY 1
"""
_OTHERS = f"""
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {OURS} AND has_schema_privilege(n.oid, 'USAGE') AND NOT pg_has_role(c.relowner, 'USAGE')
    AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AND {HAS_TRIGGERS} ORDER BY 1
"""


def require_rights(run: Callable[[str], Sequence[tuple[Any, ...]]], name: str) -> None:
    """Refuse a database of which a part can be changed by the job, and neither seen nor brought back.

    Args:
        run: Runs a query on it, as the job's user.
        name: Its name.

    Raises:
        UsageError: If so. Nothing was changed.
    """
    if hidden := [table for (table,) in run(_HIDDEN)]:
        raise UsageError(
            f"{name}: rows of {', '.join(hidden)} are hidden from the job's user (by row-level security, or for want "
            "of the right to SELECT), so that a check could neither compare them nor bring them back. Let the test "
            "connect as a role that sees them all: the owner, or one with BYPASSRLS."
        )
    if others := [table for (table,) in run(_OTHERS)]:
        raise UsageError(
            f"{name}: {', '.join(others)} belongs to another role than the job's user, so that a check cannot turn its "
            "triggers off while it brings rows back. Let the test connect as the owner."
        )
