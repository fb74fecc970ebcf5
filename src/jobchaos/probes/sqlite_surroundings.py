"""Surroundings: what a connection's statements may touch that the database's catalog does not know of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jobchaos.core.effect import Mode, Touch
from jobchaos.core.ports import Worker
from jobchaos.probes.sqlite_catalog import Catalog
from jobchaos.probes.sqlite_files import Query, attached_files, vacuum_target, widened
from jobchaos.probes.statement import Statement

_SCHEMA = ("CREATE", "ALTER", "DROP")
_TEMPORARY_TRIGGER = re.compile(r"create\s+(temp(orary)?\s+trigger\b|trigger\s[^.]*\btemp\s*\.)", re.IGNORECASE)


class Surroundings:
    """Attached files, temporary triggers, and changes of the schema that nobody else sees yet.

    Args:
        base: Resource path of the connection's own database.
        catalog: Knows its statements.
        query: Runs a statement that is no step.
    """

    def __init__(self, base: str, catalog: Catalog, query: Query) -> None:
        self.base = base
        self._catalog = catalog
        self._query = query
        self._attached: tuple[str, ...] = ()
        self._schema_changed = False
        self._temporary_triggers = False

    @property
    def are_plain(self) -> bool:
        """True if the catalog knows all."""
        return not (self._attached or self._schema_changed or self._temporary_triggers)

    def touches_of(self, worker: Worker, statement: Statement, sql: str, calls: Sequence[Any]) -> tuple[Touch, ...]:
        """What a statement touches, after its worker has announced it.

        Args:
            worker: Who is about to run it.
            statement: What the catalog knows of it.
            sql: Its text.
            calls: Its bound values, once for each time it runs.
        """
        touches = statement.touches_of(calls)
        touches = widened(touches, self._attached) if self._attached else touches
        if touches and (self._schema_changed or self._temporary_triggers):
            touches = (*touches, Touch(self.base, Mode.WRITE if statement.writes else Mode.READ))
        if statement.verb == "VACUUM":
            target = vacuum_target(self._query, sql, calls[0])
            if target is not None:
                worker.touch(f"sql:{target}")
                touches = (*touches, Touch(f"sql:{target}", Mode.WRITE))
        return touches

    def applied(self, worker: Worker, statement: Statement, sql: str, *, in_transaction: bool) -> None:
        """A statement has gone through.

        Args:
            worker: Who has run it.
            statement: What the catalog knows of it.
            sql: Its text.
            in_transaction: Whether it can still be rolled back.
        """
        if statement.verb in ("ATTACH", "DETACH"):
            self._attached = attached_files(self._query)
            for path in self._attached:
                worker.touch(f"sql:{path}")
        if statement.verb in _SCHEMA:
            self._catalog.expire()
            self._schema_changed = in_transaction
            self._temporary_triggers = self._temporary_triggers or _TEMPORARY_TRIGGER.search(sql) is not None

    def transaction_over(self) -> None:
        """Its changes are everybody's now, or nobody's."""
        if self._schema_changed:
            self._catalog.expire()
        self._schema_changed = False
