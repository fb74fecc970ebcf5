"""`run_with_retries` with a policy and a red flag, and `run_throttled`."""

from __future__ import annotations

import pytest

JOBS = """
import logging, sqlite3, pytest
from jobchaos import RedFlag, RetryPolicy

@pytest.fixture
def job(tmp_path):
    def connect():
        return sqlite3.connect(tmp_path / "app.db", isolation_level=None)

    connect().execute("CREATE TABLE users (id INTEGER PRIMARY KEY, points INT)").connection.close()

    def save(user):
        db = connect()
        try:
            db.execute("INSERT OR REPLACE INTO users VALUES (?, 5)", (user,))
        finally:
            db.close()

    return save
"""


def run(pytester: pytest.Pytester, test: str) -> pytest.RunResult:
    pytester.makepyfile(JOBS + test)
    return pytester.runpytest_inprocess("-n0", "-p", "no:cacheprovider")


def test_a_policy_and_a_red_flag_are_the_fixtures_own_keywords(pytester: pytest.Pytester) -> None:
    test = """
def test_retries(run_with_retries, job):
    policy = RetryPolicy.exponential(4, 10, jitter="full", on_give_up=lambda error: logging.error("gave up"))
    verdict = run_with_retries(job, 1, policy=policy, red_flag=RedFlag.log())
    assert "for good" in verdict.claim
"""
    run(pytester, test).assert_outcomes(passed=1)


def test_a_missing_red_flag_is_reported_with_its_times(pytester: pytest.Pytester) -> None:
    test = """
def test_retries(run_with_retries, job):
    run_with_retries(job, user=1, policy=RetryPolicy(delays=[10, 20]), red_flag=RedFlag.log())
"""
    result = run(pytester, test)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*JC512 retry: save(user=1) is given up without its red flag (a log record at ERROR or above) when*",
            "*A0!down*",
            "*10 s pass*",
            "*20 s pass*",
            "*replay*--jobchaos-replay 'A0!down'*",
        ]
    )


def test_what_is_no_policy_is_refused(pytester: pytest.Pytester) -> None:
    result = run(pytester, "\ndef test_retries(run_with_retries, job):\n    run_with_retries(job, 1, policy=5)\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the policy of save is 5, of type int, which cannot be read. Give a RetryPolicy*"])


def test_a_throttle_is_checked(pytester: pytest.Pytester) -> None:
    test = """
def test_rate(run_throttled, job):
    run_throttled(job, 1, calls=3, per=60, to="INSERT")
"""
    result = run(pytester, test)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*JC530 throttle: save(1) makes 4 calls to INSERT within 0 s; allowed are 3*"])


def test_a_throttle_needs_its_numbers(pytester: pytest.Pytester) -> None:
    result = run(pytester, "\ndef test_rate(run_throttled, job):\n    run_throttled(job, 1, calls=3)\n")
    result.stdout.fnmatch_lines(["*run_throttled needs per=: run_throttled(job, 42, calls=10, per=60)*"])
