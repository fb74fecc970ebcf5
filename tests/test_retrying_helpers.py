"""A function that the job calls is decorated, not the job itself: what it does is seen at work, at exact times."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

import backoff
import pytest
import stamina
import tenacity

from jobchaos import Job, RetryPolicy, Settings, Verdict, check
from jobchaos.core.finding import Finding
from jobchaos.core.trace import Happening
from tests.database import Sql

S = 10**9
QUICK = Settings(profile="quick")
QUEUE = RetryPolicy.exponential(5, 60, jitter="full")
Decorate = Callable[[Callable[[], object]], Callable[[], object]]


def by_tenacity(tries: int, error: type[BaseException] = sqlite3.Error) -> Decorate:
    retry: Any = tenacity.retry(
        wait=tenacity.wait_exponential(multiplier=1),
        stop=tenacity.stop_after_attempt(tries),
        retry=tenacity.retry_if_exception_type(error),
        reraise=True,
    )
    return retry  # type: ignore[no-any-return]


def by_stamina(tries: int, error: type[Exception] = sqlite3.Error) -> Decorate:
    return stamina.retry(on=error, attempts=tries, wait_initial=1, wait_jitter=0, timeout=None)


def by_backoff(tries: int, error: type[Exception] = sqlite3.Error) -> Decorate:
    retry: Any = backoff.on_exception(backoff.expo, error, max_tries=tries, jitter=None)
    return retry  # type: ignore[no-any-return]


LIBRARIES = [by_tenacity, by_stamina, by_backoff]


@pytest.fixture
def save(sql: Sql) -> Callable[[], object]:
    return lambda: sql("UPDATE users SET points = 5")


def with_helper(helper: Callable[[], object]) -> Callable[[], None]:
    def job() -> None:
        helper()

    return job


def checked(helper: Callable[[], object], *policies: RetryPolicy, schedule: str | None = None) -> Verdict:
    job = Job(with_helper(helper)).with_policy(*policies)
    return check(job, faults=["retry"], settings=QUICK, schedule=schedule)


def only(verdict: Verdict) -> Finding:
    (finding,) = [finding for finding in verdict.findings if finding.gates]
    return finding


def tried(finding: Finding) -> list[float]:
    """When the call that is out was tried, in seconds after the first time."""
    assert finding.trace is not None
    times = [event.at for event in finding.trace.events if event.happening is Happening.EFFECT and not event.applied]
    return [(moment - times[0]) / S for moment in times]


@pytest.mark.parametrize("library", LIBRARIES)
def test_its_tries_multiply_with_the_queues(library: Any, save: Callable[[], object]) -> None:
    finding = only(checked(library(4)(save), QUEUE))
    assert (finding.code, str(finding.schedule)) == ("JC509", "A0!down17")  # 16 would be sane
    finding = only(checked(library(4)(save), RetryPolicy.exponential(5, 60), schedule="A0!down"))
    assert finding.code == "JC509"
    assert "tries one call 20 times, 5 deliveries with 4 tries each," in finding.message
    delivered = [0, 67, 194, 441, 928]  # 60, 120, 240 and 480 seconds after the last try before
    assert tried(finding) == [start + later for start in delivered for later in (0, 1, 3, 7)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_few_tries_at_both_levels_are_sane(library: Any, save: Callable[[], object]) -> None:
    verdict = checked(library(3)(save), QUEUE)
    assert [finding for finding in verdict.findings if finding.gates] == []
    more = RetryPolicy.exponential(5, 60, jitter="full", most_tries=20)
    assert [finding for finding in checked(library(4)(save), more).findings if finding.gates] == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_alone_it_holds(library: Any, save: Callable[[], object]) -> None:
    verdict = checked(library(4)(save))
    assert verdict.status == "holds", verdict.findings


def test_one_without_an_end_never_stops(save: Callable[[], object]) -> None:
    endless: Any = tenacity.retry(wait=tenacity.wait_fixed(1))
    finding = only(checked(endless(save)))
    assert (finding.code, str(finding.schedule)) == ("JC506", "A0!down")


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_retries_what_the_queue_calls_fatal(library: Any, save: Callable[[], object]) -> None:
    queue = RetryPolicy(delays=[(1, 2), (2, 4)], retryable=(sqlite3.Error,), fatal=(PermissionError,))
    finding = only(checked(library(3, Exception)(save), queue))
    assert (finding.code, str(finding.schedule)) == ("JC508", "A0!fatal")
    assert [found for found in checked(library(3)(save), queue).findings if found.gates] == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_it_raises_in_the_end_must_not_be_swallowed(library: Any, save: Callable[[], object]) -> None:
    helper = library(2)(save)

    def job() -> None:
        with contextlib.suppress(sqlite3.Error):
            helper()

    verdict = check(Job(job), faults=["retry"], settings=QUICK)
    assert {finding.code for finding in verdict.findings if finding.gates} == {"JC505"}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_policy_that_is_stated_for_it_is_held_against_it(library: Any, save: Callable[[], object]) -> None:
    helper = library(3)(save)
    stated = RetryPolicy(delays=[1, 2], level="job")
    assert [finding for finding in checked(helper, stated).findings if finding.gates] == []
    assert only(checked(helper, RetryPolicy(delays=[1, 2, 4], level="job"))).code == "JC510"
    assert only(checked(helper, RetryPolicy(delays=[1, 3], level="job"))).code == "JC511"
