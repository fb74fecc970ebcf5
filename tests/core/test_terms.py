"""What a job system is told to do with a finding: why it is real there, and which setting helps."""

from __future__ import annotations

import dataclasses

import pytest

from jobchaos.core.terms import AfterKill
from tests.plugin.tiny import TERMS


@pytest.mark.parametrize(
    ("killed", "code", "told"),
    [
        (False, "JC103", "real with a slow broker"),
        (True, "JC303", "real with late=True. Today a kill loses the job: it acknowledges first"),
        (True, "JC306", "real today: it acknowledges first"),
        (True, "JC504", "real today: a job that fails is not tried again"),
    ],
)
def test_why_it_is_real(killed: bool, code: str, told: str) -> None:
    terms = dataclasses.replace(TERMS, retries="retry=3")
    assert terms.makes_real(killed=killed, code=code) == told


def test_what_is_delivered_again_is_real_today() -> None:
    terms = dataclasses.replace(TERMS, after_kill=AfterKill.REDELIVERED)
    assert terms.makes_real(killed=True, code="JC303") == "real today: it acknowledges first"


def test_what_is_told_of_a_system() -> None:
    full = dataclasses.replace(
        TERMS, soft_limit=30, timeout=TimeoutError, dead_letter="in the morgue", lock="x", remarks=("by the way",)
    )
    told = " | ".join(full.told())
    assert "when a worker is killed, its message is lost (it acknowledges first)" in told
    assert "after 30 s the job gets TimeoutError" in told
    assert "a message whose retries are spent ends in the morgue" in told
    assert "jobs with the lock 'x' run one after the other, unless" in told
    assert told.endswith("by the way")
    levels = [dataclasses.replace(TERMS, level=level).told()[0] for level in ("delivery", "body")]
    assert "a whole delivery (same id and retry count, callbacks, result)" in levels[0]
    assert "the job's function, without what the system does around it" in levels[1]


def test_its_own_setting_is_the_remedy() -> None:
    once = dataclasses.replace(TERMS, retries="retry=3")
    assert once.remedy("JC306").startswith("late=True; or mark the test with delivery=")
    assert once.remedy("JC414") == once.remedy("JC504") == "let it be tried again: retry=3"
    assert (TERMS.remedy("JC504"), once.remedy("JC103")) == ("", "")
