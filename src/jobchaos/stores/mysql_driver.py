"""Session: a connection of our own to MariaDB or MySQL."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from jobchaos.errors import MissingExtraError, UsageError

_OLDEST = {"mariadb": (10, 3), "mysql": (8, 0)}
_MODES = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', innodb_lock_wait_timeout = 5"


class Session:
    """Runs SQL in autocommit mode.

    Args:
        access: What the driver takes to connect.

    Raises:
        MissingExtraError: If there is no driver.
        UsageError: If the server is too old.
    """

    def __init__(self, access: Mapping[str, Any]) -> None:
        try:
            driver: Any = importlib.import_module("pymysql")
        except ImportError as error:
            raise MissingExtraError("a MariaDB or MySQL database needs PyMySQL: pip install pymysql") from error
        given = {name: value for name, value in access.items() if value is not None}
        several = driver.constants.CLIENT.MULTI_STATEMENTS
        self._connection: Any = driver.connect(**given, autocommit=True, client_flag=several, charset="utf8mb4")
        self._require_version(str(self.run("SELECT VERSION()")[0][0]))
        self.run(_MODES)

    def run(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run statements, separated by `;`; return the rows of the first that has any."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
            while cursor.nextset():
                rows = rows or cursor.fetchall()
        return rows

    def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _require_version(self, told: str) -> None:
        kind = "mariadb" if "mariadb" in told.lower() else "mysql"
        major, minor = (int(part) for part in told.split("-")[0].split(".")[:2])
        if (major, minor) < _OLDEST[kind]:
            oldest = ".".join(map(str, _OLDEST[kind]))
            self.close()
            raise UsageError(f"the server is {kind} {told}, which is too old: {oldest} or newer is needed")
