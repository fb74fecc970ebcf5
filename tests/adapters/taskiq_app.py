"""The TaskIQ broker of the conformance tests, configured by the environment; for real workers, and our simulation."""

from __future__ import annotations

import os
from typing import Any

from taskiq import SimpleRetryMiddleware
from taskiq_redis import ListQueueBroker, RedisStreamBroker

from tests.adapters import steps


def make(url: str, name: str, kind: str) -> Any:
    """A broker of its own, with the two tasks: `list` loses messages, `stream` claims them again."""
    made: Any = ListQueueBroker(url, queue_name=name)
    if kind == "stream":
        made = RedisStreamBroker(
            url, queue_name=name, consumer_group_name=name, consumer_id="0", idle_timeout=1500, xread_block=100
        )
    made.add_middlewares(SimpleRetryMiddleware())

    @made.task(task_name="run", timeout=1)
    async def run(order: str) -> None:
        await steps.run_later(order)

    @made.task(task_name="fail", retry_on_error=True, max_retries=3)
    async def fail(order: str) -> None:
        steps.fail(order)

    return made


if "JOBCHAOS_TEST_BROKER" in os.environ:
    broker = make(
        os.environ["JOBCHAOS_TEST_BROKER"], os.environ["JOBCHAOS_TEST_NAME"], os.environ["JOBCHAOS_TEST_KIND"]
    )
