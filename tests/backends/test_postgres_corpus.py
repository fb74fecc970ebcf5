"""Broken jobs on PostgreSQL are found, and sound ones pass, as the server really isolates and locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
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


@pytest.fixture
def site(databases: tuple[str, str]) -> Iterator[Site]:
    for dsn in databases:
        with psycopg.connect(dsn) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            for statement in jobs.SCHEMA:
                connection.execute(statement)
    shop, bank = databases
    here.site = Site("postgres", _opener(shop), {"bank": Site("postgres", _opener(bank))})
    yield here.site
    here.site = None


def _opener(dsn: str) -> Callable[[], Any]:
    return lambda: psycopg.connect(dsn)


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
