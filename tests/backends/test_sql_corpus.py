"""Broken jobs on SQL servers are found, and sound ones pass, as each server really isolates and locks."""

from __future__ import annotations

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from tests.backends import jobs
from tests.backends.drivers import DIALECTS, databases, driver, mysql_databases, schema
from tests.backends.jobs import Case

__all__ = ["databases", "driver", "mysql_databases", "schema"]
BRIEF = ("lost update", "queue, skip locked", "deadlock")
"""What each driver is tried with in every run, and with all by CI."""
REALLY = ("upsert, duplicate key", "unique key last")
"""On MariaDB, workers of these are processes that really die."""


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
