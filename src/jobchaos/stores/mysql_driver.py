"""Session: a connection of our own to MariaDB or MySQL, which comes back if the server has ended it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from jobchaos.errors import LossError, MissingExtraError, UsageError

_OLDEST = {"mariadb": (10, 3), "mysql": (8, 0)}
_MODES = (
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', "
    "innodb_lock_wait_timeout = 5, lock_wait_timeout = 2, group_concat_max_len = 4294967295"
)
_LOCKED = 1205
_ENDED = (1053, 1927, 2006, 2013, 4031)  # by the server; https://mariadb.com/kb/en/mariadb-error-code-reference/


def _driver() -> Any:
    """PyMySQL or mysqlclient: what is in use already, or else what is there."""
    names = ("pymysql", "MySQLdb")
    for name in (*(name for name in names if name in sys.modules), *names):
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(f"{name}.constants.CLIENT")
            return importlib.import_module(name)
    raise MissingExtraError(
        "a MariaDB or MySQL database needs PyMySQL or mysqlclient: pip install pymysql, or pip install mysqlclient"
    )


class Session:
    """Runs SQL in autocommit mode.

    Args:
        access: What the driver takes to connect.

    Raises:
        MissingExtraError: If there is no driver.
        UsageError: If the server is too old.
    """

    def __init__(self, access: Mapping[str, Any]) -> None:
        self._driver = _driver()
        self._given = {name: value for name, value in access.items() if value is not None}
        if self._driver.__name__ != "pymysql":
            self._given.pop("ssl_disabled", None)  # mysqlclient uses TLS if it is told to
        self.loss = ""
        """What to say if the server is lost for good."""
        self.came_back = False
        """True if it was lost, and found again."""
        self._connection = self._connected()
        self._require_version(str(self.run("SELECT VERSION()")[0][0]))

    def run(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run statements, separated by `;`; return the rows of the first that has any. See `each`."""
        return next((rows for rows in self.each(sql) if rows), ())

    def each(self, sql: str) -> list[Sequence[tuple[Any, ...]]]:
        """Run statements, separated by `;`, at once; return the rows of each.

        Raises:
            LossError: If the server is gone, and does not come back.
            UsageError: If a connection outside the check has locked something.
        """
        try:
            return self._run(sql)
        except self._driver.Error as error:
            if error.args[0] == _LOCKED:
                raise UsageError(
                    f"{self._given.get('database')} is locked by a connection outside the check, so that it can be "
                    "neither read nor restored. Commit or close what the test itself has open before the job is "
                    "checked; without autocommit, even a SELECT begins a transaction that holds its tables. So does "
                    "a transaction that was prepared and never ended (XA RECOVER shows it)."
                ) from error
            if self._connection.open and error.args[0] not in _ENDED:
                raise
            return self._again(sql, error)

    def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> Any:
        several = self._driver.constants.CLIENT.MULTI_STATEMENTS
        connection = self._driver.connect(**self._given, autocommit=True, client_flag=several, charset="utf8mb4")
        with connection.cursor() as cursor:
            cursor.execute(_MODES)
        return connection

    def _run(self, sql: str) -> list[Sequence[tuple[Any, ...]]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            found: list[Sequence[tuple[Any, ...]]] = [cursor.fetchall()]
            while cursor.nextset():
                found.append(cursor.fetchall())
        return found

    def _again(self, sql: str, error: Exception) -> list[Sequence[tuple[Any, ...]]]:
        """The server has ended this session only, or was started anew."""
        try:
            self._connection = self._connected()
            self.came_back = True
            return self._run(sql)
        except self._driver.Error as another:
            raise LossError(
                f"the server of {self._given.get('database')} on {self._given.get('host') or 'this machine'} was lost "
                f"in the middle of the check ({error.args[-1] or another.args[-1]}). {self.loss}",
                "JC913",
            ) from another

    def _require_version(self, told: str) -> None:
        kind = "mariadb" if "mariadb" in told.lower() else "mysql"
        major, minor = (int(part) for part in told.split("-")[0].split(".")[:2])
        if (major, minor) < _OLDEST[kind]:
            oldest = ".".join(map(str, _OLDEST[kind]))
            self.close()
            raise UsageError(f"the server is {kind} {told}, which is too old: {oldest} or newer is needed")
