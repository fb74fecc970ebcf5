"""With awaits as steps, races between tasks of one event loop are found, and those who keep apart are not reported."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.errors import UsageError
from tests.corpus import awaiting, broken, site, sound
from tests.corpus.awaiting import KEPT_APART, RACING
from tests.corpus.broken import Broken

pytestmark = pytest.mark.usefixtures("fresh_site")

QUICK = Settings(profile="quick", granularity="await")
OVERLAPS = ["duplicate", "concurrent"]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    awaiting.forget()
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("jobchaos")] == []


@pytest.mark.parametrize("racing", RACING, ids=lambda racing: racing.job.__name__)
def test_a_race_across_an_await_is_found(racing: Broken) -> None:
    verdict = check(racing.job, faults=OVERLAPS, settings=QUICK)
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert verdict.status == "fails", verdict
    assert found == racing.findings


@pytest.mark.parametrize("profile", ["quick", "full"])
@pytest.mark.parametrize("job", KEPT_APART, ids=lambda job: job.__name__)
def test_who_keeps_apart_is_not_reported(job: Callable[[], Any], profile: str) -> None:
    # Without kills: who polls would wait for ever for a dead one, as here memory is all the state there is.
    verdict = check(job, faults=OVERLAPS, settings=Settings(profile=profile, granularity="await", kills=0))
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
    assert "at await granularity" in verdict.claim


def test_statements_of_aiosqlite_are_awaits() -> None:
    racing = check(broken.checks_then_inserts_through_an_async_orm, faults=OVERLAPS, settings=QUICK)
    assert [finding.code for finding in racing.findings if finding.gates] == ["JC203"], racing
    kept_apart = check(sound.compares_and_sets_through_an_async_orm, faults=OVERLAPS, settings=QUICK)
    assert kept_apart.status == "holds", kept_apart.findings


@pytest.mark.parametrize("job", [awaiting.fetches_under_a_lock, sound.upserts_from_a_coroutine])
def test_crashes_are_tried_at_awaits(job: Callable[[], Any]) -> None:
    verdict = check(job, settings=QUICK)
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
    assert "any number of sequential crashes" in verdict.claim


def test_a_job_without_await_between_check_and_act_is_sound_in_one_loop_only() -> None:
    job = awaiting.awaits_before_and_after
    assert check(job, faults=OVERLAPS, settings=Settings(profile="quick", granularity="line")).status == "fails"


def test_other_jobs_are_refused() -> None:
    with pytest.raises(UsageError, match="for jobs that are coroutine functions"):
        check(sound.upserts, settings=QUICK)


def test_processes_of_their_own_have_no_loop_in_common() -> None:
    with pytest.raises(UsageError, match="choose one of them"):
        Settings(granularity="await", isolation="process")


async def sends_two_requests_at_once() -> None:
    async def send(session: aiohttp.ClientSession, number: int) -> None:
        url = f"http://127.0.0.1:{site.http_port}/orders/{number}"
        async with session.put(url, data=b"{}", headers={"Idempotency-Key": f"order {number}"}) as answer:
            await answer.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(send(session, 7), send(session, 8))


def test_requests_of_one_job_that_are_underway_at_the_same_time_overlap_with_those_of_another() -> None:
    """The first is answered while its copy is paused, or when it goes on."""
    verdict = check(sends_two_requests_at_once, faults=["concurrent"], settings=Settings(profile="full", budget=60))
    assert [finding.code for finding in verdict.findings if finding.gates] == []
