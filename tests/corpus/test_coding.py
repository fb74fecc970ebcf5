"""Each code of a consequence is earned by a job, at its minimal schedule; and not by its twin."""

from __future__ import annotations

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.corpus.coding import CASES, Case

pytestmark = pytest.mark.usefixtures("fresh_site")

SETTINGS = Settings(profile="quick", isolation="thread")


def named(case: Case) -> str:
    return f"{case.code}-{case.broken.__name__}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_broken_job_is_found(case: Case) -> None:
    verdict = check(case.broken, faults=case.faults, settings=SETTINGS)
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert found.get(case.code) == case.token, (found, verdict.findings)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_its_twin_is_not(case: Case) -> None:
    verdict = check(case.sound, faults=case.faults, settings=SETTINGS)
    assert verdict.status == "holds", verdict.findings
    assert verdict.schedules_run > 0
