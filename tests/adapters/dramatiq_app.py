"""The Dramatiq app of the conformance tests, configured by the environment: for real workers and our simulation."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.adapters import steps


def make(url: str, name: str) -> Any:
    """A broker of its own, with the two actors; dead workers are looked for at every turn."""
    broker = RedisBroker(url=url, namespace=name, heartbeat_timeout=2000, maintenance_chance=1_000_000)
    options: dict[str, Any] = {"broker": broker, "max_retries": 2, "min_backoff": 10, "max_backoff": 20}
    dramatiq.actor(steps.run, actor_name="run", time_limit=500, **options)
    dramatiq.actor(steps.fail, actor_name="fail", **options)
    return broker


if "JOBCHAOS_TEST_BROKER" in os.environ:
    broker = make(os.environ["JOBCHAOS_TEST_BROKER"], os.environ["JOBCHAOS_TEST_NAME"])
    dramatiq.set_broker(broker)
