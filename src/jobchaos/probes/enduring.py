"""Enduring: a coroutine that nobody answers. Its own timers, and those of whoever awaits it, may come first."""

from __future__ import annotations

import asyncio

from jobchaos.core.hang import Hang


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
