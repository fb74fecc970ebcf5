"""Broken jobs on MariaDB are found, and sound ones pass, as InnoDB really isolates and locks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from tests.backends import jobs
from tests.backends.jobs import Case
from tests.backends.mysql import Database, mysql_databases
from tests.backends.site import Site, here

__all__ = ["mysql_databases"]
pytestmark = pytest.mark.thorough
REALLY = ("upsert, duplicate key", "unique key last")
"""Workers of these are processes that really die."""
CASES = [case for case in jobs.ALL if "mysql" in case.dialects]


@pytest.fixture
def site(mysql_databases: tuple[Database, Database]) -> Iterator[Site]:
    for database in mysql_databases:
        database.reset(*jobs.SCHEMA)
    shop, bank = mysql_databases
    here.site = Site("mysql", shop.connect, {"bank": Site("mysql", bank.connect)})
    yield here.site
    here.site = None


def checked(case: Case) -> Verdict:
    faults = ["duplicate", "concurrent", "crash"] if len(case.jobs) == 1 else None
    isolation = "process" if case.name in REALLY else "thread"
    return check(*case.jobs, faults=faults, settings=Settings(profile="quick", isolation=isolation))


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
