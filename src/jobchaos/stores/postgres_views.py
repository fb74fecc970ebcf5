"""The materialized views of a PostgreSQL database. What one holds can be told, and is brought back by making it anew.

They are no part of what is compared: all that is in them comes from tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobchaos.errors import UsageError
from jobchaos.stores.postgres_layout import OURS
from jobchaos.stores.postgres_marks import literal

Contents = Mapping[str, "str | None"]
"""What tells the content of each from others, by what SQL calls it; None if it is not populated."""

_NAMES = f"""
SELECT format('%I.%I', n.nspname, c.relname), c.relispopulated FROM pg_class c JOIN pg_namespace n
ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND {OURS} AND pg_has_role(c.relowner, 'USAGE') ORDER BY c.oid
"""


class PostgresViews:
    """Reads and refreshes those that the job's user may refresh.

    Args:
        run: Runs SQL on the database and returns rows, if there are any.
        database: Its name.
    """

    def __init__(self, run: Callable[[str], Sequence[tuple[Any, ...]]], database: str) -> None:
        self._run = run
        self._database = database

    def read(self) -> Contents:
        """What they hold now, the oldest first."""
        names = dict(self._run(_NAMES))
        parts = [
            f"SELECT {literal(name)}, count(*) || ' ' || coalesce(sum(hashtextextended(jobchaos_row::text, 0)), 0) "
            f"FROM {name} AS jobchaos_row"
            for name, populated in names.items()
            if populated
        ]
        found = dict(self._run(" UNION ALL ".join(parts))) if parts else {}
        return {name: found.get(name) for name in names}

    def put_back(self, wanted: Contents) -> None:
        """Let them hold what they held; the tables do so already.

        Raises:
            UsageError: If one held something else than its query gives.
        """
        now = self.read()
        differing = [name for name in now if name in wanted and now[name] != wanted[name]]
        if not differing:
            return
        for name in differing:
            self._run(f"REFRESH MATERIALIZED VIEW {name}{' WITH NO DATA' if wanted[name] is None else ''}")
        again = self.read()
        stale = [name for name in differing if again[name] != wanted[name]]
        if stale:
            raise UsageError(
                f"{self._database}: the job refreshes {', '.join(stale)}, which did not hold before what its query "
                "gave then, so that a check cannot bring that back. REFRESH it in the test, before the job is checked."
            )
