"""Broken jobs on PostgreSQL are found, and sound ones pass, as the server really isolates and locks."""

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
from tests.backends.site import Site, here

CASES = [case for case in jobs.ALL if "postgres" in case.dialects]


@pytest.fixture(scope="module")
def databases(new_postgres: Create) -> tuple[str, str]:
    return new_postgres("shop"), new_postgres("bank")


@pytest.fixture(params=[psycopg.connect])
def site(databases: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Site]:
    for dsn in databases:
        with psycopg.connect(dsn) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            for statement in jobs.SCHEMA:
                connection.execute(statement)
    shop, bank = databases
    driver = request.param
    here.site = Site("postgres", _opener(driver, shop), {"bank": Site("postgres", _opener(driver, bank))})
    yield here.site
    here.site = None


def _opener(driver: Callable[[str], Any], dsn: str) -> Callable[[], Any]:
    return lambda: driver(dsn)


def checked(case: Case, **settings: Any) -> Verdict:
    return check(*case.jobs, settings=Settings(profile="quick", **settings))


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("case", [case for case in CASES if case.code], ids=str)
def test_a_broken_job_is_found(case: Case) -> None:
    verdict = checked(case)
    assert verdict.status == "fails", verdict
    assert case.code in {finding.code for finding in verdict.findings}, verdict.findings


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("case", [case for case in CASES if not case.code], ids=str)
def test_a_sound_job_is_not_reported(case: Case) -> None:
    verdict = checked(case)
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
    assert verdict.schedules_run > 0


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("site", [lambda dsn: psycopg2.connect(dsn)], indirect=True, ids=["psycopg2"])
@pytest.mark.parametrize(
    "name",
    [
        "lost update",
        pytest.param("lost update, locked", marks=pytest.mark.thorough),
        pytest.param("write skew, serializable", marks=pytest.mark.thorough),
        "queue, skip locked",
        pytest.param("advisory lock freed too early", marks=pytest.mark.thorough),
        pytest.param("two databases", marks=pytest.mark.thorough),
        "deadlock",
    ],
)
def test_psycopg2_is_seen_as_well(name: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    verdict = checked(case)
    assert verdict.status == ("fails" if case.code else "holds"), (verdict.findings, verdict.notes)
    assert not case.code or case.code in {finding.code for finding in verdict.findings}


@pytest.mark.thorough
@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("case", [case for case in CASES if not case.code], ids=str)
def test_what_is_taken_for_another_order_of_the_same_is_that(case: Case) -> None:
    """All schedules that need not be run are run all the same: JC920 would name a wrong claim of independence."""
    verdict = check(*case.jobs, faults=["concurrent"], settings=Settings(profile="full", budget=60, audit=1.0, kills=0))
    assert {finding.code for finding in verdict.findings if finding.gates} <= {"JC907"}, verdict.findings
