"""PostgresMonitor: sees who waits for whom, and ends what is left of the dead."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from jobchaos.probes.isolation_gaps import Scratch
from jobchaos.probes.postgres_catalog import read_schema
from jobchaos.probes.server_monitor import ServerDefaults, ServerMonitor, SessionState, listed
from jobchaos.probes.server_schema import ServerSchema


class PostgresMonitor(ServerMonitor):
    """Asks the views of statistics."""

    def read_defaults(self) -> ServerDefaults:
        """See `ServerMonitor.read_defaults`."""
        isolation, lock, statement, number = self.query(
            "SELECT upper(current_setting('default_transaction_isolation')), "
            "(SELECT setting::int FROM pg_settings WHERE name = 'lock_timeout'), "
            "(SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'), pg_backend_pid()"
        )[0]
        is_pooled = number != self.connection.info.backend_pid  # a pooler makes up numbers of its own
        return ServerDefaults(isolation, lock, statement, is_pooled)

    def schema(self) -> ServerSchema:
        """See `ServerMonitor.schema`."""
        return read_schema(self.query)

    def waiting(self) -> Mapping[int, tuple[int, ...]]:
        """See `ServerMonitor.waiting`."""
        return {
            pid: tuple(others)
            for pid, others in self.query(
                "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND state = 'active'"
            )
            if others
        }

    def look(self, sessions: Collection[int]) -> Mapping[int, SessionState]:
        """See `ServerMonitor.look`: who has answered in a pipeline is active, too, and waits for its client."""
        rows = self.query(
            "SELECT pid, state IN ('active', 'fastpath function call') AND wait_event IS DISTINCT FROM 'ClientRead', "
            f"pg_blocking_pids(pid) FROM pg_stat_activity WHERE pid IN ({listed(sessions)})"
        )
        return {pid: SessionState(bool(busy), tuple(others)) for pid, busy, others in rows}

    def cancel(self, session: int) -> None:
        """See `ServerMonitor.cancel`."""
        self.query(f"SELECT pg_cancel_backend({int(session)})")

    def kill(self, sessions: Collection[int]) -> None:
        """See `ServerMonitor.kill`."""
        self.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN ({listed(sessions)})")

    def are_there(self, sessions: Collection[int]) -> bool:
        """See `ServerMonitor.are_there`: the row in pg_stat_activity goes after the locks."""
        return bool(self.query(f"SELECT 1 FROM pg_stat_activity WHERE pid IN ({listed(sessions)})"))


def postgres_scratch(connect: Callable[[], Any]) -> Scratch:
    """A table in a schema of ours, which stores leave out.

    Args:
        connect: Opens a connection, in transactions.
    """
    schema = f"jobchaos_{os.getpid()}_0"
    return Scratch(
        connect,
        f"{schema}.gaps",
        (f"CREATE SCHEMA {schema}",),
        (f"DROP SCHEMA {schema}",),
        "SET lock_timeout = '100ms'",
    )
