"""Rounds: a driver's wait for an answer, that comes back from time to time while there is none, in a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def awaited(rounds: Generator[T, None, Any], between: Callable[[T], Coroutine[Any, Any, None]]) -> Any:
    """What a wait returns. Other tasks of the event loop go on once, and while they hold a lock.

    Once, however long the answer takes: how often there is none yet differs from run to run.

    Args:
        rounds: The wait.
        between: What to await each time that it comes back; takes what that tells.
    """
    error: BaseException | None = None
    while True:
        try:
            told = next(rounds) if error is None else rounds.throw(error)
        except StopIteration as end:
            await asyncio.sleep(0)
            return end.value
        error = None
        try:
            await between(told)
        except BaseException as caught:  # noqa: BLE001 - death, or the job's own timers: whoever waits meets it
            error = caught
