"""Queue: what a queue does with a job that has failed, by its retry policy: deliver it again in time, or give it up."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from jobchaos.core.delays import told
from jobchaos.core.redelivery import GivenUp, Redelivery, message
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.engine.outcome import describe
from jobchaos.engine.stage import Stage


class Queue:
    """Delivers a job that no job system delivers. It follows the policy where calls fail; elsewhere it has none.

    Args:
        body: Runs the job once.
        policy: The policy.
        stage: Tells time, and whether calls fail.
    """

    def __init__(self, body: Callable[[], object], policy: RetryPolicy, stage: Stage) -> None:
        self._body = body
        self._policy = policy
        self._stage = stage

    def deliver(self) -> object:
        """Run the job once.

        Raises:
            Redelivery: If it has failed, and the policy has a further execution.
            GivenUp: If it has failed, and the policy has none.
        """
        began = self._stage.clock.now()
        try:
            result = self._body()
        except Exception as error:
            self._failed(error, began)
            raise
        return self._awaited(result, began) if inspect.iscoroutine(result) else result

    async def _awaited(self, result: Coroutine[Any, Any, Any], began: int) -> object:
        try:
            return await result
        except Exception as error:
            self._failed(error, began)
            raise

    def _failed(self, error: Exception, began: int) -> None:
        if not self._stage.fails:
            return
        carried = message()
        executions, first = carried if isinstance(carried, tuple) else (0, began)
        executions += 1
        policy, now = self._policy, self._stage.clock.now()
        planned = policy.next(executions, now - first) if policy.retries(error) else None
        if planned is None:
            if policy.on_give_up is not None:
                policy.on_give_up(error)
            raise GivenUp(error) from error
        delay = policy.postponed(error)
        if delay is None:
            delay = planned.high if self._stage.late else planned.low
        raise Redelivery(f"{describe(error)}, to be retried in {told(delay)}", delay, (executions, first)) from error
