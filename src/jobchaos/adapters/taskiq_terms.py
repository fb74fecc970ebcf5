"""What TaskIQ does with a task, read from its labels, its broker and the middleware there."""

from __future__ import annotations

import asyncio
from typing import Any

from taskiq.middlewares import SimpleRetryMiddleware, SmartRetryMiddleware

from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.terms import AfterKill, Terms

_TAKES_OUT = ("InMemory", "ListQueue", "PubSub", "ZeroMQ")
"""How names of brokers begin that have no acknowledgement: a message is gone once a worker has it."""


class CancelledError(asyncio.CancelledError):
    """A task sees its timeout as being cancelled."""


def terms_of(task: Any) -> Terms:
    """The terms of a task."""
    broker = type(task.broker).__name__
    early = str(task.labels.get("ack_type", "")).rpartition(".")[2].lower() == "when_received"
    takes_out = broker.startswith(_TAKES_OUT)
    because = "it is acknowledged after its result was saved"
    if early:
        because = "ack_type is WHEN_RECEIVED"
    if takes_out:
        because = f"{broker} takes a message out of its queue before the task runs"
    timeout = task.labels.get("timeout")
    remarks = ["a synchronous task goes on in its thread after its timeout"] if timeout is not None else []
    if broker == "RedisStreamBroker" and not early:
        idle = getattr(task.broker, "idle_timeout", 0) / 1000
        remarks.append(
            f"what a dead worker has left is claimed when it is {idle:g} s old (idle_timeout), and only after another "
            "message has come"
        )
    return Terms(
        system="TaskIQ",
        level="delivery",
        after_kill=AfterKill.LOST if early or takes_out else AfterKill.REDELIVERED,
        because=because,
        setting="a broker with acknowledgements (RedisStreamBroker, AioPikaBroker) and ack_type WHEN_EXECUTED or later",
        retries="" if policy_of(task).executions != 1 else "SimpleRetryMiddleware, and retry_on_error=True on the task",
        duplicates="a broker that claims messages again (idle_timeout) before the task has ended, or a second kiq()",
        soft_limit=None if timeout is None else float(timeout),
        timeout=CancelledError,
        dead_letter="nowhere: its error is its result",
        remarks=tuple(remarks),
    )


def policy_of(task: Any) -> RetryPolicy:
    """`max_retries` counts executions; of SmartRetryMiddleware each delay begins with the one before, jitter included.

    (taskiq/middlewares/smart_retry_middleware.py: `make_delay`, whose result `on_send` stores in the label that it
    reads the next time, 0.13.)
    """
    kinds = (SimpleRetryMiddleware, SmartRetryMiddleware)
    middleware: Any = next((entry for entry in task.broker.middlewares if isinstance(entry, kinds)), None)
    wanted = task.labels.get("retry_on_error", getattr(middleware, "default_retry_label", False))
    if middleware is None or str(wanted).lower() != "true":
        return RetryPolicy(executions=1, source="TaskIQ without retries")
    executions = max(1, int(task.labels.get("max_retries", middleware.default_retry_count)))
    types = task.labels.get("types_of_exceptions", getattr(middleware, "types_of_exceptions", None))
    given: dict[str, Any] = {
        "retryable": tuple(types or (Exception,)),
        "source": f"TaskIQ's {type(middleware).__name__}",
    }
    if isinstance(middleware, SimpleRetryMiddleware) or executions == 1:
        return RetryPolicy(executions=executions, **given)
    low = high = float(task.labels.get("delay", middleware.default_delay))
    delays = []
    for retry in range(1, executions):
        if middleware.use_delay_exponent:
            low, high = (min(end * retry, float(middleware.max_delay_exponent)) for end in (low, high))
        high += 1 if middleware.use_jitter else 0
        delays.append((low, high))
    return RetryPolicy(executions=executions, delays=delays, **given)
