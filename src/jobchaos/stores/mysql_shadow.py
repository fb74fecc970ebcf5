"""MySQLShadow: a database of our own beside the user's, which keeps what his tables held at some moments.

Each table that ever held rows has a twin, with one column more: the number of the version that a row belongs to. So to
remember a state is an INSERT, and no statement that changes the schema.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobchaos.errors import UsageError
from jobchaos.stores.mysql_layout import MySQLTable, quoted

Run = Callable[[str], Sequence[tuple[Any, ...]]]
_PREFIX = "jobchaos_shadow_"
_VERSION = "jobchaos_version"
_DENIED = (1044, 1142, 1143, 1227, 1370)  # https://mariadb.com/kb/en/mariadb-error-code-reference/
_MOST = 60  # characters of a name, of the 64 that the server takes
_numbers = iter(range(1, 1_000_000))


class MySQLShadow:
    """The database. It must be dropped at the end.

    Args:
        run: Runs statements on the user's database and returns rows, if there are any.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.name = f"{_PREFIX}{os.getpid()}_{next(_numbers)}"
        self._twins: dict[tuple[str, str], str] = {}
        self._is_open = False

    def open(self, database: str) -> None:
        """Create it, and drop what processes that were killed have left behind.

        Raises:
            UsageError: If the user may not create databases.
        """
        create = f"CREATE DATABASE {quoted(self.name)}"
        left = [name for (name,) in self._run(f"SHOW DATABASES LIKE '{_PREFIX}%'") if _is_orphan(name)]
        try:
            self._run("; ".join([*(f"DROP DATABASE {quoted(each)}" for each in left), create]))
        except Exception as error:
            if not is_denied(error):
                raise
            raise UsageError(
                f"{database}: the job's user may not create a database, in which a check keeps a copy of the tables "
                f"({error.args[1]}). Grant it: GRANT ALL ON `{_PREFIX}%`.* TO CURRENT_USER()"
            ) from error
        self._is_open = True

    def keep(self, tables: Sequence[MySQLTable], version: int) -> None:
        """Remember what some tables hold now."""
        statements = []
        for table in tables:
            is_new = (table.name, table.definition) not in self._twins
            twin = self._twin(table)
            if is_new:
                rows = f"SELECT 0 AS {_VERSION}, {table.stored} FROM {table.path} LIMIT 0"
                key = ", ".join(map(quoted, (_VERSION, *table.empty.key)))
                index = f"(PRIMARY KEY ({key}))" if table.tells_rows_apart else ""
                statements.append(f"CREATE TABLE {twin} {index} ENGINE = InnoDB AS {rows}")
            statements.append(f"INSERT INTO {twin} SELECT {version}, {table.stored} FROM {table.path}")
        self._run("; ".join(statements))

    def put_back(self, wanted: Sequence[tuple[MySQLTable, int | None]], numbers: Mapping[str, int | None]) -> None:
        """Let tables hold what they held.

        Args:
            wanted: Each table with the version to put back; None for nothing at all.
            numbers: The next number that the server would have given to a row of each table.
        """
        statements = ["SET foreign_key_checks = 0, unique_checks = 0", "BEGIN"]
        statements += [self._removal(table, version) for table, version in wanted]
        statements += [self._return(table, version) for table, version in wanted if version is not None]
        statements.append("COMMIT")
        statements += [
            f"ALTER TABLE {table.path} AUTO_INCREMENT = {numbers[table.name]}"
            for table, _ in wanted
            if numbers[table.name] is not None
        ]
        self._run("; ".join([*statements, "SET foreign_key_checks = 1, unique_checks = 1"]))

    def rows(self, table: MySQLTable, version: int | None) -> int:
        """How many rows a version has."""
        if version is None:
            return 0
        return int(self._run(f"SELECT COUNT(*) FROM {self._twin(table)} WHERE {_VERSION} = {version}")[0][0])

    def _removal(self, table: MySQLTable, version: int | None) -> str:
        """Away with what was not there: only those rows, where that can be told, as to write costs most."""
        if version is None or not table.tells_rows_apart:
            return f"DELETE FROM {table.path}"
        same = " AND ".join(column.same("now", "kept") for column in table.columns if not column.computed)
        return (
            f"DELETE now FROM {table.path} AS now LEFT JOIN {self._twin(table)} AS kept "
            f"ON kept.{_VERSION} = {version} AND {_joined(table)} WHERE kept.{_VERSION} IS NULL OR NOT ({same})"
        )

    def _return(self, table: MySQLTable, version: int) -> str:
        missing = ""
        if table.tells_rows_apart:
            key = quoted(table.empty.key[0])
            missing = f"LEFT JOIN {table.path} AS now ON {_joined(table)} WHERE now.{key} IS NULL AND"
        kept = ", ".join(f"kept.{quoted(column.name)}" for column in table.columns if not column.computed)
        return (
            f"INSERT INTO {table.path} ({table.stored}) SELECT {kept} FROM {self._twin(table)} AS kept "
            f"{missing or 'WHERE'} kept.{_VERSION} = {version}"
        )

    def drop(self) -> None:
        """Remove it with all that is in it."""
        if self._is_open:
            self._is_open = False
            self._run(f"DROP DATABASE IF EXISTS {quoted(self.name)}")

    def leave(self) -> str:
        """Do not drop it at the end; tell for how long it keeps what."""
        self._is_open = False
        return f"the rows before it are in the database {self.name}, until the next check on that server clears it away"

    def _twin(self, table: MySQLTable) -> str:
        """Of each table, as it was defined at some time."""
        others = sum(name == table.name for name, _ in self._twins)
        twin = quoted(f"{table.name[:_MOST]}~{others}") if others else table.path
        return self._twins.setdefault((table.name, table.definition), f"{quoted(self.name)}.{twin}")


def is_denied(error: Exception) -> bool:
    """True if the user may not do what he has asked for."""
    return bool(error.args) and error.args[0] in _DENIED


def _joined(table: MySQLTable) -> str:
    return " AND ".join(f"now.{quoted(name)} = kept.{quoted(name)}" for name in table.empty.key)


def _is_orphan(database: str) -> bool:
    """True if the process that has made it is gone. On another machine it may live: then the numbers rarely meet."""
    match = re.fullmatch(rf"{_PREFIX}(\d+)_\d+", database)
    return match is not None and not os.path.exists(f"/proc/{match[1]}") and os.path.exists("/proc/self")
