"""Every broken job is found, with the right code and a minimal schedule; every sound one passes in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from jobchaos import findings
from jobchaos.checking import check
from jobchaos.core.schedule import Schedule
from jobchaos.core.settings import Settings
from jobchaos.core.verdict import Verdict
from jobchaos.errors import UsageError
from jobchaos.explore.minimise import minimise, simplifications
from tests.corpus import broken, expiring, hanging, retrying, sound
from tests.corpus.broken import BROKEN, Broken
from tests.corpus.sound import SOUND

pytestmark = pytest.mark.usefixtures("fresh_site")


ISOLATIONS = ["thread", *(pytest.param(isolation, marks=pytest.mark.thorough) for isolation in ("auto", "process"))]
"""`auto` explores with simulated kills, and compares them with real ones; `process` has nothing but real ones."""

IN_MEMORY = {
    "uses_a_shared_memory_database",
    "counts_in_memory",
    "counts_in_a_class",
    "checks_then_sets_in_memory",
    "checks_then_appends_in_memory",
    "checks_then_sets_an_attribute",
    "checks_then_sets_a_global",
    "locks_the_check_but_not_the_act",
    "locks_in_an_order_that_depends",
    "makes_locks_and_takes_them_in_an_order_that_depends",
    "remembers_in_a_set",
    "checks_under_a_lock_of_its_object",
    "checks_under_a_lock_of_an_object_that_it_makes",
}
"""Jobs whose only state is in this process, where no other can change it."""

KEPT_APART_BY_THREADING = {"checks_under_a_lock_of_threading", "checks_under_a_lock_that_it_makes"}
"""Sound in threads only: each process has a lock of its own."""


def checked(job: Callable[[], Any], isolation: str) -> Verdict:
    return check(job, settings=Settings(profile="quick", isolation=isolation))


def refused(job: Callable[[], Any], isolation: str) -> bool:
    """True if the job cannot be checked so, and that was said."""
    if isolation != "process" or job.__name__ not in IN_MEMORY:
        return False
    with pytest.raises(UsageError, match="in the memory of this process"):
        checked(job, isolation)
    return True


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.job.__name__)
def test_a_broken_job_is_found(case: Broken, isolation: str) -> None:
    if refused(case.job, isolation):
        return
    verdict = checked(case.job, isolation)
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert verdict.status == "fails", verdict
    assert case.findings.items() <= found.items(), found
    assert "JC910" not in found
    crashes = [finding for finding in verdict.findings if finding.code.startswith("JC3")]
    really = isolation != "thread" and case.job.__name__ not in IN_MEMORY
    assert all(bool(finding.confirmed) is really for finding in crashes)


@pytest.mark.thorough
@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.job.__name__)
def test_what_is_reported_is_minimal(case: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    simpler_that_fail: dict[str, list[str]] = {}

    def checked(schedule: Schedule, fails: Callable[[Schedule], bool], *, identical: bool) -> Schedule:
        left = minimise(schedule, fails, identical=identical)
        simpler = simplifications(left, identical=identical)
        simpler_that_fail[str(left)] = [str(schedule) for schedule in simpler if fails(schedule)]
        return left

    monkeypatch.setattr(findings, "minimise", checked)
    check(case.job, settings=Settings(profile="quick", isolation="thread"))
    assert simpler_that_fail
    assert not any(simpler_that_fail.values()), simpler_that_fail


@pytest.mark.thorough
@pytest.mark.parametrize("job", SOUND, ids=lambda job: job.__name__)
def test_a_sound_job_is_not_reported_by_a_thorough_check(job: Callable[[], Any]) -> None:
    verdict = check(job, settings=Settings(profile="full", budget=20, isolation="thread"))
    assert {finding.code for finding in verdict.findings if finding.gates} <= {"JC907"}, verdict.findings


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("job", SOUND, ids=lambda job: job.__name__)
def test_a_sound_job_is_not_reported(job: Callable[[], Any], isolation: str) -> None:
    if refused(job, isolation):
        return
    verdict = checked(job, isolation)
    if isolation == "process" and job.__name__ in KEPT_APART_BY_THREADING:
        assert [finding.code for finding in verdict.findings] == ["JC203"]
        return
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
    assert verdict.schedules_run > 0
    assert any("not confirmed" in note for note in verdict.notes) is (isolation == "auto" and job.__name__ in IN_MEMORY)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("jobchaos")] == []


@pytest.mark.parametrize(
    "job",
    [
        sound.checks_and_inserts_under_a_lock,
        sound.creates_exclusively,
        sound.checks_under_a_lock_of_threading,
        sound.checks_under_a_lock_of_its_object,
    ],
)
@pytest.mark.parametrize("profile", ["quick", pytest.param("full", marks=pytest.mark.thorough)])
def test_a_sound_job_is_confirmed_line_by_line_too(job: Callable[[], Any], profile: str) -> None:
    verdict = check(job, settings=Settings(profile=profile, granularity="line"))
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
    assert "line" in verdict.claim


@pytest.mark.parametrize(
    "job",
    [
        broken.checks_then_sets_in_memory,
        broken.checks_then_appends_in_memory,
        broken.checks_then_sets_an_attribute,
        broken.checks_then_sets_a_global,
    ],
)
def test_a_race_in_memory_is_found_line_by_line(job: Callable[[], Any]) -> None:
    verdict = check(job, faults=["concurrent"], settings=Settings(profile="quick", granularity="line"))
    assert [finding.code for finding in verdict.findings] == ["JC203"], (verdict.findings, verdict.notes)


def test_the_corpora_are_large_enough() -> None:
    assert len(BROKEN) >= 20
    assert len(SOUND) >= 12


def test_the_corpora_of_time_are_large_enough() -> None:
    found = [case.findings for case in (*expiring.EXPIRING, *expiring.LATE)]
    found += [case.findings for case in retrying.BROKEN]
    found += [{case.code: case.token} for case in hanging.BROKEN]
    codes = {code for case in found for code in case}
    assert len(found) >= 10
    assert codes >= {
        *("JC401", "JC402", "JC403", "JC411", "JC415"),
        *("JC505", "JC506", "JC507", "JC508", "JC509", "JC511", "JC512", "JC513", "JC514"),
        *("JC601", "JC602", "JC603", "JC604", "JC612", "JC613", "JC614"),
    }
    assert len([*expiring.UNHURRIED, *expiring.LATE_AND_SOUND, *hanging.SOUND, *retrying.SOUND]) >= 8
