"""One connection reaches all databases of a MariaDB or MySQL server: those that a job changes are restored, too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from jobchaos.errors import UnsafeRestoreError
from tests.backends.mysql import ACCESS, Database, mysql_databases

__all__ = ["mysql_databases"]

Job = Callable[[Any, str], None]


@pytest.fixture
def databases(mysql_databases: tuple[Database, Database]) -> tuple[Database, Database]:
    for database in mysql_databases:
        database.reset("CREATE TABLE t (id INT PRIMARY KEY, n INT)", "INSERT INTO t VALUES (1, 0)")
    return mysql_databases


def by_its_name(connection: Any, other: str) -> None:
    connection.cursor().execute(f"UPDATE {other}.t SET n = n + 1")
    connection.commit()


def by_a_join(connection: Any, other: str) -> None:
    connection.cursor().execute(f"UPDATE {other}.t AS theirs JOIN t ON t.id = theirs.id SET theirs.n = theirs.n + 1")
    connection.commit()


def by_use(connection: Any, other: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"USE {other}")
        cursor.execute("UPDATE t SET n = n + 1")
    connection.commit()


def by_select_db(connection: Any, other: str) -> None:
    connection.select_db(other)
    connection.cursor().execute("UPDATE t SET n = n + 1")
    connection.commit()


def in_both(connection: Any, other: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE t SET n = n + 1")
        cursor.execute(f"USE {other}")
        cursor.execute("UPDATE t SET n = n + 1")
    connection.commit()


WAYS: list[Job] = [by_its_name, by_a_join, by_use, by_select_db, in_both]


def checked(job: Job, other: str, **access: Any) -> Verdict:
    def run() -> None:
        with pymysql.connect(**ACCESS, **access) as connection:
            job(connection, other)

    return check(run, faults=["duplicate", "crash"], settings=Settings(profile="quick"))


@pytest.mark.parametrize("job", WAYS, ids=lambda job: job.__name__)
def test_another_database_of_the_server_is_watched_and_restored(databases: tuple[Database, Database], job: Job) -> None:
    own, other = databases
    verdict = checked(job, other.name, database=own.name)
    assert {finding.code for finding in verdict.findings} == {"JC103", "JC303"}
    assert other.run("SELECT n FROM t") == ((1,),), "as one clean run leaves it"
    assert own.run("SELECT n FROM t") == ((int(job is in_both),),)


@pytest.mark.parametrize("job", [by_its_name, by_use], ids=lambda job: job.__name__)
def test_a_connection_may_begin_without_a_database(databases: tuple[Database, Database], job: Job) -> None:
    _, other = databases
    verdict = checked(job, other.name)
    assert {finding.code for finding in verdict.findings} == {"JC103", "JC303"}
    assert other.run("SELECT n FROM t") == ((1,),)


@pytest.fixture
def precious(databases: tuple[Database, Database]) -> Iterator[str]:
    """A database that is not plainly a test resource."""
    name = f"jobchaos_production_{os.getpid()}"
    databases[0].run(
        f"DROP DATABASE IF EXISTS {name}",
        f"CREATE DATABASE {name}",
        f"CREATE TABLE {name}.t (id INT PRIMARY KEY, n INT)",
        f"INSERT INTO {name}.t VALUES (1, 0)",
    )
    yield name
    databases[0].run(f"DROP DATABASE {name}")


@pytest.mark.parametrize("job", WAYS, ids=lambda job: job.__name__)
def test_one_that_is_no_test_resource_is_refused_before_it_is_changed(
    databases: tuple[Database, Database], precious: str, job: Job
) -> None:
    own, _ = databases
    with pytest.raises(UnsafeRestoreError, match=rf"the database '{precious}' on .*allow="):
        checked(job, precious, database=own.name)
    assert own.run(f"SELECT n FROM {precious}.t") == ((0,),)
    assert own.run("SELECT n FROM t") == ((0,),)
