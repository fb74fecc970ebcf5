"""Time on SQL servers: leases in rows run out, and jobs that decide by the server's own clock are told so."""

from __future__ import annotations

import datetime
import re
import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.probes.psycopg_texts import parameters_of
from tests.backends import leases
from tests.backends.drivers import databases, driver, mysql_databases

__all__ = ["databases", "driver", "mysql_databases"]
NOW = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.timezone.utc)
QUICK = Settings(profile="quick", now=NOW, ignore=("leases",))
Job = Callable[[], None]


@pytest.fixture
def schema() -> Sequence[str]:
    """Instead of the corpus's: tables with leases."""
    return leases.SCHEMA


on_each_driver = pytest.mark.parametrize(
    "driver",
    ["psycopg", *(pytest.param(driver, marks=pytest.mark.thorough) for driver in ("psycopg2", "pymysql"))],
    indirect=True,
)


@on_each_driver
@pytest.mark.usefixtures("driver")
def test_who_decides_by_the_servers_clock_is_told_so() -> None:
    verdict = check(leases.asks_the_server_whether_it_is_over, faults=["duplicate", "crash"], settings=QUICK)
    (message,) = [finding.message for finding in verdict.findings if finding.code == "JC719"]
    assert re.search(r"\(site\.py:\d+\)$", message), "the line of the job's own code that calls the driver"
    assert "the clock of the database server" in message


@on_each_driver
@pytest.mark.usefixtures("driver")
def test_who_reads_a_view_that_asks_for_the_time_is_told_so() -> None:
    verdict = check(leases.asks_a_view_whether_it_is_over, faults=["duplicate"], settings=QUICK)
    (message,) = [finding.message for finding in verdict.findings if finding.code == "JC719"]
    assert re.search("decides by what the view ended(_too)? asks, the clock of the database server", message)


@on_each_driver
@pytest.mark.usefixtures("driver")
def test_who_writes_the_servers_time_down_decides_nothing() -> None:
    verdict = check(leases.lets_the_server_write_times_down, faults=["duplicate", "crash"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert "JC719" not in {finding.code for finding in verdict.findings}


@on_each_driver
@pytest.mark.parametrize("job", [leases.trusts_seconds, leases.trusts_timestamps], ids=lambda job: job.__name__)
def test_a_lease_in_a_row_runs_out(driver: str, job: Job) -> None:
    verdict = check(job, faults=["concurrent", "expiry"], settings=QUICK)
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    steps = 4 if driver == "pymysql" else 6  # PyMySQL does not say BEGIN
    assert found == {"JC612": f"A{steps} +61s B A"}, verdict


@on_each_driver
@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("job", [leases.fences_seconds, leases.fences_timestamps], ids=lambda job: job.__name__)
def test_a_lease_with_a_fence_is_sound(job: Job) -> None:
    verdict = check(job, faults=["expiry"], settings=QUICK)
    assert verdict.status == "holds", verdict.findings
    assert "60 s running out at every step" in verdict.claim


@pytest.mark.parametrize(
    "value", [1.5, 1_893_499_200, NOW, NOW.replace(microsecond=5), NOW.replace(tzinfo=None), "2030-01-01", None]
)
def test_the_values_that_psycopg_sends_are_read_back(value: object) -> None:
    query = PostgresQuery(Transformer())
    query.convert("SELECT %s", (value,))
    assert parameters_of(query) == (value,)


def test_a_moment_without_end_is_none() -> None:
    query: Any = types.SimpleNamespace(params=[b"\x7f" + b"\xff" * 7], types=[1184], formats=[1])
    assert parameters_of(query) == (b"\x7f" + b"\xff" * 7,)
