"""Fixtures: each hands out a checker for some families of faults.

They have session scope and look up the running test themselves, because Hypothesis rejects function-scoped fixtures
in `@given` tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from jobchaos.pytest_plugin import clocks

if TYPE_CHECKING:
    from jobchaos.core.ports import Probe, Store
    from jobchaos.fake_clock import FakeClock
    from jobchaos.pytest_plugin.checker import Checker


@pytest.fixture(scope="session")
def run_twice(pytestconfig: pytest.Config) -> Checker:
    """`run_twice(job, *args, **kwargs)`: the state after duplicate deliveries is a single run's."""
    return _checker(pytestconfig, "duplicate", keywords=("run_twice",))


@pytest.fixture(scope="session")
def run_concurrently(pytestconfig: pytest.Config) -> Checker:
    """`run_concurrently(job, *args, **kwargs)`: the state after two overlapping copies is a single run's.

    Also when one was paused for so long that its lease has run out.
    `run_concurrently(Job(a, 1), Job(b, 2))`, up to four: the state is that of some serial order of these jobs.
    """
    return _checker(pytestconfig, "concurrent", "expiry", keywords=("run_concurrently",))


@pytest.fixture(scope="session")
def run_crashing(pytestconfig: pytest.Config) -> Checker:
    """`run_crashing(job, *args, **kwargs)`: the state after a crash at any point and redelivery is a single run's."""
    return _checker(pytestconfig, "crash", keywords=("run_crashing",))


@pytest.fixture(scope="session")
def run_with_retries(pytestconfig: pytest.Config) -> Checker:
    """`run_with_retries(job, *args, **kwargs)`: after any failed or unanswered call, the state is a single run's.

    `run_with_retries(job, ..., policy=RetryPolicy(...), red_flag=RedFlag.log())`: it is retried as the policy says, and
    when it is given up, it says so once, and leaves the state as it was.
    """
    return _checker(pytestconfig, "retry", keywords=("run_with_retries", "policy", "red_flag"))


@pytest.fixture(scope="session")
def run_with_timeouts(pytestconfig: pytest.Config) -> Checker:
    """`run_with_timeouts(job, *args, within=30, **kwargs)`: it gives up in time when calls hang, and is then done once.

    `within` is in virtual seconds; without it, only calls without any timeout are too long.
    """
    return _checker(pytestconfig, "timeout", keywords=("run_with_timeouts", "within"))


@pytest.fixture(scope="session")
def run_throttled(pytestconfig: pytest.Config) -> Checker:
    """`run_throttled(job, *args, calls=10, per=60, **kwargs)`: a burst makes at most 10 calls in any 60 seconds.

    HTTP requests count for each host, and mails; or the calls whose text contains `to=`. All work is done in the end.
    """
    from jobchaos.pytest_plugin.checker import ThrottleChecker

    return ThrottleChecker(pytestconfig, (), ("run_throttled", "calls", "per", "to", "policy"))


@pytest.fixture(scope="session")
def jobchaos(pytestconfig: pytest.Config) -> Checker:
    """`jobchaos(job, *args, **kwargs)`: all of them."""
    families = "duplicate", "concurrent", "crash", "timeout", "retry", "expiry"
    return _checker(pytestconfig, *families, keywords=("jobchaos",))


@pytest.fixture(scope="session")
def fake_clock(pytestconfig: pytest.Config) -> FakeClock:
    """`fake_clock.now()`, `.advance(seconds)`, `.sleeps`: time in the test function moves only when told to."""
    return clocks.of(pytestconfig)


@pytest.fixture(scope="session")
def jobchaos_postgres() -> Iterator[str]:
    """DSN of an empty database on a PostgreSQL server that lives as long as the session."""
    from jobchaos.servers import postgres

    with postgres() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def jobchaos_redis() -> Iterator[str]:
    """URL of a Redis server with empty databases that lives as long as the session."""
    from jobchaos.servers import redis

    with redis() as url:
        yield url


@pytest.fixture
def jobchaos_probes() -> list[Probe]:
    """Override to have further libraries watched: return a list of probes."""
    return []


@pytest.fixture
def jobchaos_stores() -> list[Store]:
    """Override to name state that is not found by itself: return a list of stores."""
    return []


def _checker(config: pytest.Config, *families: str, keywords: tuple[str, ...]) -> Checker:
    from jobchaos.pytest_plugin.checker import Checker

    return Checker(config, families, keywords)
