"""Enduring: who waits for an answer that does not come. Of a coroutine, other timers may come first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Worker
from jobchaos.core.schedule import Fault

T = TypeVar("T")


def waited(worker: Worker, fault: Fault | None, call: Callable[[], T], hang: Callable[[], Hang]) -> T:
    """What a call that waits comes to.

    Args:
        worker: Who calls.
        fault: What befalls the call, see `Worker.ask`.
        call: Sends, and takes the answer.
        hang: How it is waited for, at this moment; it has a failure.

    Raises:
        Exception: The driver's, if there is no answer, or if it comes too late.
    """
    if fault is Fault.SLOW:
        worker.linger(hang())
    if fault is Fault.HANG:
        worker.time_out(hang())
    result = call()
    if fault is Fault.LATE:
        worker.time_out(hang())
    return result


async def endure(hang: Hang) -> None:
    """Wait in virtual time until the driver would give up; for ever if it never does.

    Args:
        hang: What is waited for.

    Raises:
        Exception: The driver's, when its timeout is over.
    """
    if hang.timeout is None:
        await asyncio.get_running_loop().create_future()
    else:
        await asyncio.sleep(hang.timeout)
    if hang.failure is not None:
        raise hang.failure()
