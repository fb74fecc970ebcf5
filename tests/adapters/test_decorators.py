"""Policies are read from decorators; the numbers are what the libraries' documentation says."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import backoff
import pytest
import stamina
import tenacity

from jobchaos.adapters.decorators import own_policy
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.errors import UsageError

S = 10**9


def job() -> None: ...


def read(decorate: Callable[[Any], Any]) -> RetryPolicy:
    policy = own_policy(decorate(job), "job")
    assert policy is not None
    assert policy.level == "job"
    return policy


def delays(policy: RetryPolicy, count: int) -> list[tuple[float, float]]:
    return [(policy.delay(n).low / S, policy.delay(n).high / S) for n in range(1, count + 1)]


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (tenacity.wait_none(), [(0, 0), (0, 0), (0, 0)]),
        (tenacity.wait_fixed(3), [(3, 3), (3, 3), (3, 3)]),
        (tenacity.wait_random(1, 2), [(1, 2), (1, 2), (1, 2)]),
        (tenacity.wait_incrementing(1, 2, 4), [(1, 1), (3, 3), (4, 4)]),
        (tenacity.wait_exponential(multiplier=1, max=3), [(1, 1), (2, 2), (3, 3)]),
        (tenacity.wait_random_exponential(multiplier=0.5, max=60), [(0, 0.5), (0, 1), (0, 2)]),
        (tenacity.wait_exponential_jitter(initial=1, jitter=1), [(1, 2), (2, 3), (4, 5)]),
        (tenacity.wait_fixed(3) + tenacity.wait_random(0, 2), [(3, 5), (3, 5), (3, 5)]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(9)), [(1, 1), (9, 9), (9, 9)]),
    ],
)
def test_tenacitys_delays_are_intervals(wait: Any, expected: list[tuple[float, float]]) -> None:
    policy = read(tenacity.retry(wait=wait, stop=tenacity.stop_after_attempt(4)))
    assert (policy.executions, policy.source, delays(policy, 3)) == (4, "tenacity", expected)


@pytest.mark.parametrize(
    ("stop", "executions", "limit"),
    [
        (tenacity.stop_never, math.inf, None),
        (tenacity.stop_after_delay(30), math.inf, ("after", 30)),
        (tenacity.stop_before_delay(30), math.inf, ("before", 30)),
        (tenacity.stop_after_attempt(5) | tenacity.stop_after_delay(30), 5, ("after", 30)),
        (tenacity.stop_after_attempt(5) | tenacity.stop_after_attempt(3), 3, None),
    ],
)
def test_tenacitys_ends_are_read(stop: Any, executions: float, limit: tuple[str, float] | None) -> None:
    policy = read(tenacity.retry(stop=stop))
    assert policy.executions == executions
    assert limit in (None, (policy.limit, policy.give_up_after))


def test_tenacity_is_asked_which_errors_it_retries() -> None:
    policy = read(tenacity.retry(retry=tenacity.retry_if_exception_type(OSError)))
    assert (policy.retries(OSError()), policy.retries(ValueError())) == (True, False)
    policy = read(tenacity.retry(retry=tenacity.retry_if_not_exception_type(ValueError)))
    assert (policy.retries(OSError()), policy.retries(ValueError())) == (True, False)


def test_staminas_defaults_are_those_of_its_documentation() -> None:
    policy = read(stamina.retry(on=OSError))
    assert (policy.executions, policy.give_up_after, policy.source) == (10, 45, "stamina")
    assert delays(policy, 3) == [(0.1, 1.1), (0.2, 1.2), (0.4, 1.4)]
    assert delays(policy, 9)[-1] == (5, 5)


def test_staminas_numbers_are_read() -> None:
    policy = read(stamina.retry(on=OSError, attempts=3, timeout=None, wait_initial=2, wait_jitter=0, wait_max=3))
    assert (policy.executions, policy.give_up_after, delays(policy, 2)) == (3, None, [(2, 2), (3, 3)])


def test_stamina_that_is_switched_off_does_not_retry() -> None:
    decorated = stamina.retry(on=OSError)
    stamina.set_active(False)
    try:
        assert read(decorated).executions == 1
    finally:
        stamina.set_active(True)


def test_stamina_in_testing_mode_is_refused() -> None:
    with stamina.set_testing(True), pytest.raises(UsageError, match="testing mode"):
        read(stamina.retry(on=OSError))


@pytest.mark.parametrize(
    ("options", "executions", "expected"),
    [
        ({"wait_gen": backoff.expo, "max_tries": 5, "jitter": None}, 5, [(1, 1), (2, 2), (4, 4)]),
        ({"wait_gen": backoff.expo, "max_tries": 5}, 5, [(0, 1), (0, 2), (0, 4)]),
        ({"wait_gen": backoff.fibo, "jitter": backoff.random_jitter}, math.inf, [(1, 2), (1, 2), (2, 3)]),
        ({"wait_gen": backoff.constant, "interval": [4, 5, 6], "jitter": None}, 4, [(4, 4), (5, 5), (6, 6)]),
        ({"wait_gen": backoff.expo, "factor": 10, "max_value": 15, "jitter": None}, math.inf, [(10, 10), (15, 15)]),
    ],
)
def test_backoffs_numbers_are_read(
    options: dict[str, Any], executions: float, expected: list[tuple[float, float]]
) -> None:
    policy = read(backoff.on_exception(exception=OSError, **options))
    assert (policy.executions, policy.source, delays(policy, len(expected))) == (executions, "backoff", expected)


def test_backoffs_total_time_clips_the_last_delay() -> None:
    policy = read(backoff.on_exception(backoff.constant, OSError, interval=4, jitter=None, max_time=10))
    assert [moment / S for moment in policy.moments()] == [0, 4, 8, 10]


def test_backoff_is_asked_which_errors_it_retries() -> None:
    policy = read(backoff.on_exception(backoff.expo, OSError, giveup=lambda error: "no" in str(error)))
    assert [policy.retries(error) for error in (OSError("yes"), OSError("no"), ValueError())] == [True, False, False]


@pytest.mark.parametrize(
    ("decorate", "text"),
    [
        (
            tenacity.retry(stop=tenacity.stop_when_event_set(threading.Event())),
            "by tenacity, but how cannot be read: stop=stop_when",
        ),
        (tenacity.retry(stop=lambda state: True), "stop=<lambda>"),
        (tenacity.retry(wait=lambda state: 1 // 0), "tenacity.*wait=.* raises ZeroDivision"),
        (backoff.on_exception(backoff.runtime, OSError, value=lambda error: 3), "wait_gen=backoff.runtime"),
        (backoff.on_exception(backoff.expo, OSError, max_tries=lambda: 1 // 0), "max_tries=.* raises ZeroDivision"),
    ],
)
def test_what_cannot_be_read_is_named_and_how_to_give_it(decorate: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        own_policy(decorate(job), "job")
    assert 'policy=RetryPolicy(delays=[1, 2, 4], level="job")' in str(caught.value)


def test_a_plain_function_and_a_wrapped_one_have_none() -> None:
    assert own_policy(job, "job") is None
    assert own_policy(backoff.on_predicate(backoff.expo)(job), "job") is None  # by results, not by errors


def test_a_library_is_not_imported_to_see_whether_it_decorates() -> None:
    program = (
        "import sys; from jobchaos.adapters.decorators import own_policy; own_policy(print, 'print'); "
        "print([name for name in ('tenacity', 'stamina', 'backoff') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
