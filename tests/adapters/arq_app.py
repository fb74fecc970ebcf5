"""The arq functions of the conformance tests; for real workers, and for our simulation."""

from __future__ import annotations

import os
from typing import Any

import arq
from arq.connections import RedisSettings

from tests.adapters import steps


async def run(context: Any, order: str) -> None:
    """Three steps."""
    await steps.run_later(order)


async def fail(context: Any, order: str) -> None:
    """One step, and a retry."""
    try:
        steps.fail(order)
    except ConnectionError:
        raise arq.Retry from None


FUNCTIONS = [arq.func(run, name="run", timeout=1), arq.func(fail, name="fail", max_tries=3, timeout=1)]


class WorkerSettings:
    """What `arq` looks for."""

    functions = FUNCTIONS
    queue_name = os.environ.get("JOBCHAOS_TEST_NAME", "")
    redis_settings = RedisSettings.from_dsn(os.environ.get("JOBCHAOS_TEST_BROKER", "redis://127.0.0.1"))
    poll_delay = 0.1
    job_timeout = 1
