"""Every broken job is found, with the right code and a minimal schedule; every sound one passes in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from jobchaos.check import check
from jobchaos.core.settings import Settings
from tests.corpus.broken import BROKEN, Broken
from tests.corpus.sound import SOUND

pytestmark = pytest.mark.usefixtures("fresh_site")


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.job.__name__)
def test_a_broken_job_is_found(broken: Broken) -> None:
    verdict = check(broken.job, settings=Settings(profile="quick"))
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert verdict.status == "fails", verdict
    assert broken.findings.items() <= found.items(), found


@pytest.mark.parametrize("job", SOUND, ids=lambda job: job.__name__)
def test_a_sound_job_is_not_reported(job: Callable[[], Any]) -> None:
    before = threading.active_count()
    verdict = check(job, settings=Settings(profile="quick"))
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
    assert verdict.schedules_run > 0
    assert threading.active_count() == before


def test_the_corpora_are_large_enough() -> None:
    assert len(BROKEN) >= 20
    assert len(SOUND) >= 12
