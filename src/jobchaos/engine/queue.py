"""Queue: what a queue does with a job that has failed, by its retry policy: deliver it again in time, or give it up."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from jobchaos.core.delays import told
from jobchaos.core.redelivery import GivenUp, Redelivery, message
from jobchaos.core.retrying import Retrying
from jobchaos.engine.outcome import describe
from jobchaos.engine.stage import Stage


class Queue:
    """Delivers a job that no job system delivers. It follows the policy where calls fail; elsewhere it has none.

    Args:
        body: Runs the job once.
        retrying: How the job is retried.
        stage: Tells time, and whether calls fail.
    """

    def __init__(self, body: Callable[[], object], retrying: Retrying, stage: Stage) -> None:
        self._body = body
        self._retrying = retrying
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
        policy = self._retrying.deliveries
        if policy is None or not self._stage.fails:
            return
        carried = message()
        executions, first = carried if isinstance(carried, tuple) else (0, began)
        executions += 1
        now = self._stage.clock.now()
        planned = policy.next(executions, now - first) if policy.retries(error) else None
        if planned is None:
            if policy.on_give_up is not None:
                self._last_words(policy.on_give_up, error)
            raise GivenUp(error) from error
        delay = policy.postponed(error)
        if delay is None:
            delay = policy.drawn(planned, late=self._stage.late)
        raise Redelivery(f"{describe(error)}, to be retried in {told(delay)}", delay, (executions, first)) from error

    def _last_words(self, hook: Callable[[BaseException], object], error: Exception) -> None:
        flag, worker = self._retrying.flag, self._stage.current()
        if flag is not None and flag.function is hook and worker is not None:
            worker.flag(f"{flag.where}()")
        hook(error)
