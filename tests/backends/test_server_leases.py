"""Time on SQL servers: leases in rows run out, and jobs that decide by the server's own clock are told so."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator

import psycopg
import psycopg2
import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.backends import leases
from tests.backends.conftest import Create
from tests.backends.mysql import Database, mysql_databases
from tests.backends.site import Site, here

__all__ = ["mysql_databases"]
NOW = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.timezone.utc)
QUICK = Settings(profile="quick", now=NOW, ignore=("leases",))
Job = Callable[[], None]


@pytest.fixture(scope="module")
def dsn(new_postgres: Create) -> str:
    return new_postgres("leases")


@pytest.fixture
def psycopg_site(dsn: str) -> Site:
    return postgres(dsn, lambda: psycopg.connect(dsn))


@pytest.fixture
def psycopg2_site(dsn: str) -> Site:
    return postgres(dsn, lambda: psycopg2.connect(dsn))


def postgres(dsn: str, open_: Callable[[], object]) -> Site:
    with psycopg.connect(dsn) as connection:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *leases.SCHEMA):
            connection.execute(statement)
    return Site("postgres", open_)


@pytest.fixture
def pymysql_site(mysql_databases: tuple[Database, Database]) -> Site:
    database = mysql_databases[0]
    database.reset(*leases.SCHEMA)
    return Site("mysql", database.connect)


@pytest.fixture(params=["psycopg", "psycopg2", "pymysql"])
def driver(request: pytest.FixtureRequest) -> Iterator[str]:
    """The driver through which the jobs work."""
    here.site = request.getfixturevalue(f"{request.param}_site")
    yield request.param
    here.site = None


@pytest.mark.usefixtures("driver")
def test_who_decides_by_the_servers_clock_is_told_so() -> None:
    verdict = check(leases.asks_the_server_whether_it_is_over, faults=["duplicate", "crash"], settings=QUICK)
    (message,) = [finding.message for finding in verdict.findings if finding.code == "JC719"]
    assert re.search(r"\(site\.py:\d+\)$", message), "the line of the job's own code that calls the driver"
    assert "the clock of the database server" in message


@pytest.mark.usefixtures("driver")
def test_who_writes_the_servers_time_down_decides_nothing() -> None:
    verdict = check(leases.lets_the_server_write_times_down, faults=["duplicate", "crash"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert "JC719" not in {finding.code for finding in verdict.findings}
