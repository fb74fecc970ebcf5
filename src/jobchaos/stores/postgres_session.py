"""PostgresSession: a store's connection, which comes back if the server has ended it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobchaos.errors import LossError, UsageError
from jobchaos.stores.postgres_driver import connect

_IN_ERROR = 3  # psycopg.pq.TransactionStatus, and libpq's
_LOCKED, _UNDEFINED = "55P03", ("42P01", "42703")
_SETTINGS = "SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET lock_timeout = '1s'"


class ChangedError(Exception):
    """A table or a column is gone."""


class PostgresSession:
    """Runs SQL, each text on its own.

    Args:
        dsn: What libpq takes.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection = connect(dsn)
        info = self._connection.info
        self.host, self.port, self.database = info.host or "", info.port, info.dbname
        self.version: int = info.server_version
        self.loss = ""
        """What to say if the server is lost for good."""
        self.came_back = False
        """True if it was lost, and found again."""

    def prepare(self) -> None:
        """Let values look the same whatever the server's settings are."""
        self._run(_SETTINGS)

    def run(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run SQL; return rows, if there are any.

        Raises:
            LossError: If the server is gone, and does not come back.
            ChangedError: If a table or a column is gone.
            UsageError: If a connection outside the check has locked something.
        """
        try:
            return self._run(sql)
        except Exception as error:
            if self._connection.closed:
                return self._again(sql, error)
            if self._connection.info.transaction_status == _IN_ERROR:  # of several statements, one has failed
                self._run("ROLLBACK")
            code = code_of(error)
            if code in _UNDEFINED:
                raise ChangedError from error
            if code != _LOCKED:
                raise
            raise UsageError(
                f"{self.database} is locked by a connection outside the check, so that it can be neither read nor "
                "restored. Commit or close what the test itself has open before the job is checked."
            ) from error

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _run(self, sql: str) -> Sequence[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            if cursor.description is None:
                return []
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def _again(self, sql: str, error: Exception) -> Sequence[tuple[Any, ...]]:
        """The server has ended this session only, or was started anew."""
        try:
            self._connection = connect(self._dsn)
            self.came_back = True
            self.prepare()
            return self._run(sql)
        except Exception as another:
            raise LossError(
                f"the server of {self.database} on {self.host or 'this machine'} was lost in the middle of the check "
                f"({str(error).strip().splitlines()[0]}). {self.loss}",
                "JC913",
            ) from another


def code_of(error: Exception) -> str:
    """The SQLSTATE of an error of either driver."""
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")
