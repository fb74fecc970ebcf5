from __future__ import annotations

import math
from typing import Any

import pytest

from jobchaos import RetryPolicy
from jobchaos.core.job import Job
from jobchaos.core.retrying import Retrying
from jobchaos.errors import UsageError

S = 10**9


def seconds(policy: RetryPolicy, *, late: bool = False, most: int = 1000) -> list[float]:
    return [moment / S for moment in policy.moments(late=late, most=most)]


def test_executions_begin_after_the_delays_in_turn() -> None:
    assert seconds(RetryPolicy(executions=4, delays=30)) == [0, 30, 60, 90]
    assert seconds(RetryPolicy(delays=[1, 5, (30, 40)])) == [0, 1, 6, 36]
    assert seconds(RetryPolicy(delays=[1, 5, (30, 40)]), late=True) == [0, 1, 6, 46]
    assert seconds(RetryPolicy(executions=3, delays=lambda n: n * 10)) == [0, 10, 30]
    assert seconds(RetryPolicy(executions=1)) == [0]


def test_delays_grow_exponentially_up_to_a_cap() -> None:
    assert seconds(RetryPolicy.exponential(6, 2, most=10)) == [0, 2, 6, 14, 24, 34]
    tenths = RetryPolicy.exponential(4, 0.1, base=3)
    assert tenths.moments() == (0, 100_000_000, 400_000_000, 1_300_000_000)


def test_delays_grow_polynomially() -> None:
    assert seconds(RetryPolicy.polynomial(4, 2, factor=3, plus=1)) == [0, 4, 17, 45]


def test_jitter_is_an_interval_and_the_longest_delay_caps_it() -> None:
    policy = RetryPolicy.exponential(5, 1, jitter=(0, 1), longest=5)
    assert [policy.delay(n) for n in (1, 2, 3, 4)] == [(S, 2 * S), (2 * S, 3 * S), (4 * S, 5 * S), (5 * S, 5 * S)]


def test_sidekiq_retries_25_times_in_about_21_days() -> None:
    policy = RetryPolicy.sidekiq()
    early, late = seconds(policy), seconds(policy, late=True)
    assert len(early) == len(late) == 26
    assert early[:5] == [0, 15, 31, 62, 158]  # n ** 4 + 15
    assert late[:4] == [0, 15 + 9, 31 + 9 + 19, 62 + 9 + 19 + 29]  # and rand(10 * (n + 1)), which is below it
    assert early[-1] == sum(n**4 + 15 for n in range(25)) == 1_763_395
    assert late[-1] == early[-1] + sum(10 * (n + 1) - 1 for n in range(25))
    assert 20.4 < early[-1] / 86400 < late[-1] / 86400 < 20.5


def test_active_job_executes_5_times() -> None:
    assert seconds(RetryPolicy.active_job()) == [0, 3, 6, 9, 12]
    assert RetryPolicy.active_job().delay(1) == (3 * S, 3_450_000_000)
    polynomial = RetryPolicy.active_job(attempts=10, wait="polynomially_longer")
    assert [polynomial.delay(n).low / S for n in (1, 2, 3)] == [3, 18, 83]  # "first wait ~3s, then ~18s, then ~83s"
    assert polynomial.delay(2).high == 18 * S + 16 * S * 15 // 100


def test_a_limit_on_the_whole_time_ends_it_earlier() -> None:
    def under(limit: str) -> list[float]:
        return seconds(RetryPolicy(executions=math.inf, delays=4, give_up_after=10, limit=limit))

    assert under("after") == [0, 4, 8, 12]  # the last one began before 10 seconds had passed since the first
    assert under("before") == [0, 4, 8]
    assert under("clip") == [0, 4, 8, 10]


def test_a_policy_without_end_says_so() -> None:
    policy = RetryPolicy(executions=math.inf, delays=1)
    assert policy.is_endless
    assert len(policy.moments(most=50)) == 50


def test_errors_decide_whether_it_is_retried() -> None:
    policy = RetryPolicy(executions=2, retryable=(OSError,), fatal=(FileNotFoundError,))
    assert policy.retries(ConnectionResetError())
    assert not policy.retries(FileNotFoundError())
    assert not policy.retries(ValueError())
    chosen = RetryPolicy(executions=2, retryable=lambda error: "again" in str(error))
    assert (chosen.retries(ValueError("again")), chosen.retries(ValueError())) == (True, False)


def test_equal_policies_are_equal() -> None:
    assert RetryPolicy.sidekiq() == RetryPolicy.sidekiq()
    assert RetryPolicy(delays=[1, 2]) != RetryPolicy(delays=[1, 3])


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "executions= is missing"),
        ({"executions": 0}, "executions must be a whole number from 1.*got 0"),
        ({"executions": -1}, "whole number from 1"),
        ({"executions": True}, "whole number from 1"),
        ({"executions": 2.5}, "whole number from 1"),
        ({"executions": 3, "delays": -1}, "delays is negative, -1"),
        ({"delays": [1, -5]}, "delay 2 is negative, -5"),
        ({"executions": 5, "delays": [1, 2]}, "a list of 2 delays means 3 executions, but executions=5"),
        ({"executions": 2, "longest": -1}, "longest is negative"),
        ({"executions": 2, "limit": "soon"}, "limit must be one of after, before, clip"),
        ({"executions": 2, "level": "server"}, "level must be one of queue, job"),
        ({"executions": 2, "retryable": [int]}, "retryable must be a list of exception classes, or a function"),
        ({"executions": 2, "retryable": OSError}, r"retryable must be a list .*: \[OSError\]"),
        ({"executions": 2, "fatal": "ValueError"}, "fatal must be a list of exception classes; got 'ValueError'"),
        ({"executions": 2, "retryable": [OSError], "fatal": [OSError]}, "OSError: both retryable and fatal"),
        ({"executions": 2, "on_give_up": "log"}, "on_give_up must be a function"),
        ({"executions": 2, "jitter": "some"}, "jitter must be two lengths of time"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        RetryPolicy(**fields)


def test_a_delay_that_turns_out_negative_is_refused_when_it_is_asked_for() -> None:
    with pytest.raises(UsageError, match="the delay after execution 2 is negative"):
        RetryPolicy(executions=3, delays=lambda n: 1 - n).moments()


def test_active_job_knows_one_algorithm_by_name() -> None:
    with pytest.raises(UsageError, match="polynomially_longer"):
        RetryPolicy.active_job(wait="exponentially")


def test_a_job_carries_a_policy_of_each_level() -> None:
    job = Job(print, 1)
    queue = RetryPolicy(executions=2)
    own = RetryPolicy(executions=5, level="job")
    assert not job.retrying
    assert job.with_policy(queue).with_policy(own).retrying == Retrying(queue, own)
    assert job.with_policy(own, queue).retrying.policies == (queue, own)
    assert not job.retrying
    assert job.with_policy(queue).label == "print(1)"


def test_what_is_no_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="the policy of print is 3, of type int, which cannot be read"):
        Job(print).with_policy(3)  # type: ignore[arg-type]
