"""Small applications whose suites nobody has changed: exactly what is broken is reported, once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.adapters.reality import forget, redis_url
from tests.adapters.small_suite import causes, run
from tests.adapters.suites import ARQ, SUITES, Suite


@pytest.fixture(params=SUITES, ids=lambda suite: suite.system)
def suite(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Suite]:
    """One whose system is installed; arq has no broker for tests."""
    suite: Suite = request.param
    for package in suite.needs:
        pytest.importorskip(package)
    if suite is not ARQ:
        yield suite
        return
    redis = pytest.importorskip("redis")
    url, name = redis_url(), f"jobchaos_test_{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("JOBCHAOS_TEST_BROKER", url)
    monkeypatch.setenv("JOBCHAOS_TEST_NAME", name)
    yield suite
    with redis.Redis.from_url(url) as connection:
        forget(connection, name)


def test_exactly_the_broken_job_is_reported(suite: Suite, pytester: pytest.Pytester) -> None:
    result = run(pytester, app=suite.app, test_app=suite.tests)
    assert causes(result) == [("JC103", "A", suite.broken)]
    result.assert_outcomes(passed=suite.count)
    result.stdout.fnmatch_lines([f"{suite.system}: {suite.count} of {suite.count} tests execute tasks, *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
