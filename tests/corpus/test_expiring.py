"""What happens when a lease runs out is found without any configuration; who minds it is not reported."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from tests.corpus import expiring
from tests.corpus.broken import Broken
from tests.corpus.expiring import EXPIRING, LATE, LATE_AND_SOUND, UNHURRIED
from tests.corpus.lock_files import AGEING, AGELESS

pytestmark = pytest.mark.usefixtures("fresh_site")

NOW = datetime.datetime.fromtimestamp(expiring.BEGINNING, datetime.timezone.utc)
QUICK = Settings(profile="quick", now=NOW, ignore=("leases",))
TWICE = QUICK.override({"preemptions": 2}, "the test")
THREADS, PROCESSES = (QUICK.override({"isolation": isolation}, "the test") for isolation in ("thread", "process"))
ISOLATIONS = [THREADS, *(pytest.param(settings, marks=pytest.mark.thorough) for settings in (QUICK, PROCESSES))]


@pytest.mark.parametrize("settings", ISOLATIONS, ids=lambda settings: settings.isolation)
@pytest.mark.parametrize("case", EXPIRING, ids=lambda case: case.job.__name__)
def test_what_runs_out_is_found(case: Broken, settings: Settings) -> None:
    verdict = check(case.job, settings=settings)
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert verdict.status == "fails", verdict
    assert found == case.findings


@pytest.mark.parametrize("case", LATE, ids=lambda case: case.job.__name__)
def test_what_goes_wrong_with_time_alone_has_its_own_code(case: Broken) -> None:
    verdict = check(case.job, faults=["expiry"], settings=TWICE)
    assert {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates} == case.findings


@pytest.mark.parametrize("job", LATE_AND_SOUND, ids=lambda job: job.__name__)
def test_its_sound_twin_is_not_reported(job: Callable[[], Any]) -> None:
    verdict = check(job, faults=["expiry"], settings=TWICE)
    assert verdict.status == "holds", verdict.findings


@pytest.mark.parametrize("settings", ISOLATIONS, ids=lambda settings: settings.isolation)
@pytest.mark.parametrize("job", UNHURRIED, ids=lambda job: job.__name__)
def test_a_sound_job_is_not_reported(job: Callable[[], Any], settings: Settings) -> None:
    verdict = check(job, settings=settings)
    assert verdict.status == "holds", (verdict.findings, verdict.notes)


@pytest.mark.parametrize(
    "job",
    [expiring.leaves_a_margin_for_wrong_clocks, expiring.checks_its_fencing_token],
    ids=lambda job: job.__name__,
)
def test_wrong_clocks_are_tolerated(job: Callable[[], Any]) -> None:
    verdict = check(job, faults=["expiry"], settings=QUICK.override({"skew": 5}, "the test"))
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
    assert "with a clock wrong by 5 s" in verdict.claim


@pytest.mark.thorough
@pytest.mark.parametrize("job", UNHURRIED, ids=lambda job: job.__name__)
def test_a_sound_job_is_not_reported_by_a_thorough_check(job: Callable[[], Any]) -> None:
    verdict = check(job, faults=["expiry"], settings=Settings(now=NOW, skew=5, ignore=("leases",)))
    assert verdict.status == "holds", (verdict.findings, verdict.notes)


@pytest.mark.parametrize("settings", ISOLATIONS, ids=lambda settings: settings.isolation)
@pytest.mark.parametrize("case", AGEING, ids=lambda case: case.job.__name__)
def test_a_lock_that_is_a_file_runs_out(case: Broken, settings: Settings) -> None:
    verdict = check(case.job, faults=["expiry"], settings=replace(settings, ignore=("files",)))
    assert {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates} == case.findings


@pytest.mark.parametrize("settings", ISOLATIONS, ids=lambda settings: settings.isolation)
@pytest.mark.parametrize("job", AGELESS, ids=lambda job: job.__name__)
def test_a_sound_job_with_a_lock_that_is_a_file_is_not_reported(job: Callable[[], Any], settings: Settings) -> None:
    verdict = check(job, settings=replace(settings, ignore=("files",)))
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
