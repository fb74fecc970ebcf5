"""Broken retries are found, with the right code and a minimal schedule; sound ones pass in silence."""

from __future__ import annotations

import pytest

from jobchaos import Job, Verdict, check
from jobchaos.core.settings import Settings
from tests.corpus.retrying import ADVISED, BROKEN, SOUND, Retried

pytestmark = pytest.mark.usefixtures("fresh_site")


def checked(case: Retried, profile: str = "quick") -> Verdict:
    job = Job(case.job).with_policy(*case.policies)
    job = job if case.flag is None else job.with_red_flag(case.flag)
    return check(job, faults=["retry"], settings=Settings(profile=profile))


def found(verdict: Verdict) -> dict[str, str]:
    return {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.job.__name__)
def test_broken_retries_are_found(case: Retried) -> None:
    assert found(checked(case)) == case.findings


@pytest.mark.parametrize("profile", ["quick", pytest.param("full", marks=pytest.mark.thorough)])
@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.job.__name__)
def test_sound_retries_are_not_reported(case: Retried, profile: str) -> None:
    verdict = checked(case, profile)
    assert (verdict.status, found(verdict)) == ("holds", {})


@pytest.mark.parametrize(("case", "codes"), ADVISED, ids=["constant", "growing with jitter"])
def test_delays_that_neither_grow_nor_differ_are_advised_against(case: Retried, codes: set[str]) -> None:
    verdict = checked(case)
    assert (verdict.status, {finding.code for finding in verdict.findings}) == ("holds", codes)
