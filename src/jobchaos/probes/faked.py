"""Faked: a request that a fake answers hangs all the same, though there is no socket that could."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Worker
from jobchaos.core.schedule import Fault
from jobchaos.probes.enduring import endure


@dataclass(frozen=True, slots=True)
class Faked:
    """How its client would wait for one request.

    Attributes:
        connecting: For the connection.
        answering: For the answer.
    """

    connecting: Hang
    answering: Hang

    def sent(self, worker: Worker) -> Hang | None:
        """Before the fake is asked: let the time pass for which nobody answers.

        Returns:
            How the request ends if its answer comes too late; None if it comes in time.

        Raises:
            Exception: The client's own, if there is no answer.
        """
        for hang in (self.connecting, self.answering):
            fault = self._ask(worker, hang)
            if fault is Fault.SLOW:
                worker.linger(hang)
            elif fault is Fault.HANG:
                worker.time_out(hang)
            elif fault is Fault.LATE:
                return hang
        return None

    async def sent_later(self, worker: Worker) -> Hang | None:
        """The same in a coroutine; the time of an answer that is too late is for `endure`."""
        for hang in (self.connecting, self.answering):
            fault = self._ask(worker, hang)
            if fault is Fault.SLOW and hang.timeout is not None:
                await asyncio.sleep(hang.timeout)
            elif fault is Fault.HANG:
                await endure(hang)
            elif fault is Fault.LATE:
                return hang
        return None

    def _ask(self, worker: Worker, hang: Hang) -> Fault | None:
        return worker.ask(lambda: hang)
