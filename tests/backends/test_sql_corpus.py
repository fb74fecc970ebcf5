"""Broken jobs on SQL servers are found, and sound ones pass, as each server really isolates and locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import psycopg2
import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from tests.backends import jobs
from tests.backends.conftest import Create
from tests.backends.jobs import Case
from tests.backends.mysql import Database, mysql_databases
from tests.backends.site import Site, here

__all__ = ["mysql_databases"]
DIALECTS = {"psycopg": "postgres", "psycopg2": "postgres", "pymysql": "mysql", "mysqlclient": "mysql"}
"""Driver to what its server speaks."""
BRIEF = ("lost update", "queue, skip locked", "deadlock")
"""What each driver is tried with in every run, and with all by CI."""
REALLY = ("upsert, duplicate key", "unique key last")
"""On MariaDB, workers of these are processes that really die."""


@pytest.fixture(scope="module")
def databases(new_postgres: Create) -> tuple[str, str]:
    return new_postgres("shop"), new_postgres("bank")


@pytest.fixture
def psycopg_site(databases: tuple[str, str]) -> Site:
    return _postgres_site(databases, psycopg.connect)


@pytest.fixture
def psycopg2_site(databases: tuple[str, str]) -> Site:
    return _postgres_site(databases, lambda dsn: psycopg2.connect(dsn))


def _postgres_site(databases: tuple[str, str], driver: Callable[[str], Any]) -> Site:
    for dsn in databases:
        with psycopg.connect(dsn) as connection:
            for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *jobs.SCHEMA):
                connection.execute(statement)
    shop, bank = databases
    return Site("postgres", lambda: driver(shop), {"bank": Site("postgres", lambda: driver(bank))})


@pytest.fixture
def pymysql_site(mysql_databases: tuple[Database, Database]) -> Site:
    for database in mysql_databases:
        database.reset(*jobs.SCHEMA)
    shop, bank = mysql_databases
    patience = {"read_timeout": 10, "write_timeout": 10}  # without, PyMySQL would wait for ever
    return Site("mysql", lambda: shop.connect(**patience), {"bank": Site("mysql", lambda: bank.connect(**patience))})


@pytest.fixture
def mysqlclient_site(mysql_databases: tuple[Database, Database]) -> Site:
    for database in mysql_databases:
        database.reset(*jobs.SCHEMA)
    shop, bank = mysql_databases
    patience = {"connect_timeout": 10, "read_timeout": 10}
    shop.by_mysqlclient().close()  # or the test is skipped
    return Site(
        "mysql",
        lambda: shop.by_mysqlclient(**patience),
        {"bank": Site("mysql", lambda: bank.by_mysqlclient(**patience))},
    )


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Iterator[str]:
    """The driver through which the jobs work."""
    here.site = request.getfixturevalue(f"{request.param}_site")
    yield request.param
    here.site = None


def each(*, broken: bool, drivers: tuple[str, ...] = tuple(DIALECTS)) -> pytest.MarkDecorator:
    """Each driver with each case that means something on its server."""
    cases = [
        pytest.param(
            driver,
            case,
            id=f"{driver}-{case}",
            marks=() if case.name in BRIEF else pytest.mark.thorough,
        )
        for driver in drivers
        for case in jobs.ALL
        if DIALECTS[driver] in case.dialects and bool(case.code) is broken
    ]
    return pytest.mark.parametrize(("driver", "case"), cases, indirect=["driver"])


def checked(case: Case, driver: str) -> Verdict:
    isolation = "process" if DIALECTS[driver] == "mysql" and case.name in REALLY else "auto"
    return check(*case.jobs, settings=Settings(profile="quick", isolation=isolation))


@each(broken=True)
def test_a_broken_job_is_found(driver: str, case: Case) -> None:
    verdict = checked(case, driver)
    assert verdict.status == "fails", verdict
    assert case.code in {finding.code for finding in verdict.findings}, verdict.findings


@each(broken=False)
def test_a_sound_job_is_not_reported(driver: str, case: Case) -> None:
    verdict = checked(case, driver)
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
    assert verdict.schedules_run > 0


@pytest.mark.thorough
@pytest.mark.usefixtures("driver")
@each(broken=False, drivers=("psycopg",))
def test_what_is_taken_for_another_order_of_the_same_is_that(case: Case) -> None:
    """All schedules that need not be run are run all the same: JC920 would name a wrong claim of independence."""
    verdict = check(*case.jobs, faults=["concurrent"], settings=Settings(profile="full", budget=60, audit=1.0, kills=0))
    assert {finding.code for finding in verdict.findings if finding.gates} <= {"JC907"}, verdict.findings
