"""Databases on a MariaDB or MySQL server, created for a test module and dropped after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
import pytest

from tests.backends.conftest import unavailable

_URL = urlsplit(os.environ.get("JOBCHAOS_MYSQL", "mysql://root@127.0.0.1:3306"))


class Database:
    """One database.

    Args:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def connect(self, **options: Any) -> Any:
        return pymysql.connect(**ACCESS, database=self.name, **options)

    def by_mysqlclient(self, **options: Any) -> Any:
        """Connect with it, or skip the test."""
        driver = pytest.importorskip("MySQLdb", reason="mysqlclient is not installed: it has to be compiled")
        access = {name: value for name, value in ACCESS.items() if name != "ssl_disabled"}
        return driver.connect(**access, database=self.name, **options)

    def run(self, *statements: str) -> Any:
        """Run each, commit each, and give the rows of the last."""
        with self.connect(autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def reset(self, *statements: str) -> None:
        """Begin anew."""
        self.run(f"DROP DATABASE `{self.name}`", f"CREATE DATABASE `{self.name}`", f"USE `{self.name}`", *statements)


ACCESS: dict[str, Any] = {
    "host": _URL.hostname or "127.0.0.1",
    "port": _URL.port or 3306,
    "user": unquote(_URL.username or "root"),
    "password": unquote(_URL.password or ""),
    "ssl_disabled": True,  # to prepare it takes a twentieth of a second
}


@pytest.fixture(scope="module")
def mysql_databases() -> Iterator[tuple[Database, Database]]:
    """Two empty databases."""
    try:
        server = pymysql.connect(**ACCESS, autocommit=True)
    except pymysql.err.OperationalError as error:
        unavailable(f"no MariaDB or MySQL server: {error}")
    names = [f"jobchaos_test_{os.getpid()}_{each}" for each in ("shop", "bank")]
    with server, server.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
            cursor.execute(f"CREATE DATABASE `{name}`")
        yield Database(names[0]), Database(names[1])
        for name in names:
            cursor.execute(f"DROP DATABASE `{name}`")
