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
from jobchaos.stores.mysql_parts import MySQLPart

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

    def keep(self, parts: Sequence[MySQLPart], version: int) -> None:
        """Remember what some parts of tables hold now."""
        statements = []
        for part in parts:
            table = part.table
            is_new = (table.name, table.definition) not in self._twins
            twin = self._twin(table)
            if is_new:
                rows = f"SELECT 0 AS {_VERSION}, {table.stored} FROM {table.path} LIMIT 0"
                key = ", ".join(map(quoted, (_VERSION, *table.empty.key)))
                index = f"(PRIMARY KEY ({key}))" if table.tells_rows_apart else ""
                statements.append(f"CREATE TABLE {twin} {index} ENGINE = InnoDB AS {rows}")
            statements.append(
                f"INSERT INTO {twin} SELECT {version}, {table.stored} FROM {table.path} AS now "
                f"WHERE TRUE{part.within('now')}"
            )
        self._run("; ".join(statements))

    def put_back(self, wanted: Sequence[tuple[MySQLPart, int | None]], numbers: Mapping[str, int]) -> None:
        """Let parts of tables hold what they held.

        Args:
            wanted: Each part with the version to put back; None for nothing at all.
            numbers: The next number that the server shall give to a row, by the names of tables.
        """
        statements = ["SET foreign_key_checks = 0, unique_checks = 0", "BEGIN"]
        statements += [self._removal(part, version) for part, version in wanted]
        statements += [self._return(part, version) for part, version in wanted if version is not None]
        statements.append("COMMIT")
        statements += [f"ALTER TABLE {quoted(name)} AUTO_INCREMENT = {number}" for name, number in numbers.items()]
        self._run("; ".join([*statements, "SET foreign_key_checks = 1, unique_checks = 1"]))

    def rows(self, part: MySQLPart, version: int | None) -> int:
        """How many rows a version has."""
        if version is None:
            return 0
        return int(self._run(f"SELECT COUNT(*) FROM {self._kept(part, version)}")[0][0])

    def _removal(self, part: MySQLPart, version: int | None) -> str:
        """Away with what was not there: only those rows, where that can be told, as to write costs most."""
        table = part.table
        if version is None or not table.tells_rows_apart:
            return f"DELETE now FROM {table.path} AS now WHERE TRUE{part.within('now')}"
        same = " AND ".join(column.same("now", "kept") for column in table.columns if not column.computed)
        return (
            f"DELETE now FROM {table.path} AS now LEFT JOIN {self._twin(table)} AS kept "
            f"ON kept.{_VERSION} = {version} AND {_joined(table)} "
            f"WHERE (kept.{_VERSION} IS NULL OR NOT ({same})){part.within('now')}"
        )

    def _return(self, part: MySQLPart, version: int) -> str:
        table, missing = part.table, ""
        if table.tells_rows_apart:
            missing = f" AND NOT EXISTS (SELECT 1 FROM {table.path} AS now WHERE {_joined(table)})"
        kept = ", ".join(f"kept.{quoted(column.name)}" for column in table.columns if not column.computed)
        return f"INSERT INTO {table.path} ({table.stored}) SELECT {kept} FROM {self._kept(part, version)}{missing}"

    def _kept(self, part: MySQLPart, version: int) -> str:
        """Where a version is, in SQL that goes on with AND."""
        return f"{self._twin(part.table)} AS kept WHERE kept.{_VERSION} = {version}{part.within('kept')}"

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
