"""Jobs whose calls hang: what is wrong is found at its virtual moment, and what is right passes in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.corpus.hanging import BROKEN, SOUND, WITHIN, Broken

pytestmark = pytest.mark.usefixtures("fresh_site")

ISOLATIONS = ["thread", pytest.param("process", marks=pytest.mark.thorough)]


def settings(isolation: str) -> Settings:
    return Settings(profile="quick", isolation=isolation, within=WITHIN)


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.job.__name__)
def test_a_broken_job_is_found(case: Broken, isolation: str) -> None:
    verdict = check(case.job, faults=["timeout"], settings=settings(isolation))
    assert verdict.status == "fails", verdict
    found = {finding.code: finding for finding in verdict.findings}
    assert case.code in found, verdict.findings
    assert str(found[case.code].schedule) == case.token
    assert case.said in found[case.code].message
    assert found[case.code].replays == (1, 1)


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("job", SOUND, ids=lambda job: getattr(job, "__name__", "charges"))
def test_a_sound_job_is_not_reported(job: Callable[[], Any], isolation: str) -> None:
    verdict = check(job, faults=["timeout"], settings=settings(isolation))
    assert verdict.status == "holds", verdict.findings
    assert verdict.findings == ()
    assert verdict.schedules_run > 0
