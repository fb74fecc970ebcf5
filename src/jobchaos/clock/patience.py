"""Patience: how long an event loop listens in real time before it jumps to its next timer.

Problem: a connection may bring something at any moment, and what it brings comes before the timer. But most connections
are idle ones, of clients that keep them for the next call, and each jump would take as long as an answer may.

Solution: it listens for long only where somebody waits for an answer that may come from elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import socket
from collections.abc import Iterable, Iterator
from typing import Any

ANSWER = 1.0
"""Real seconds that an answer takes at most; only this machine may be reached, which answers sooner or not at all."""
_GLANCE = 0.02  # the same, where nobody waits for one: there may be callbacks that somebody else looks for later
WAKE: Any = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]  # noqa: SLF001
"""What the timer of `asyncio.sleep` calls."""

Ready = list[tuple[selectors.SelectorKey, int]]


def listen(loop: Any, selector: selectors.BaseSelector, timeout: float) -> Ready:
    """Wait for what connections bring.

    Args:
        loop: The event loop.
        selector: Its own.
        timeout: Seconds until the next timer.
    """
    ready = selector.select(min(timeout, _GLANCE))
    if ready or timeout <= _GLANCE or _all_sleep(loop) or _speaks_to_itself(loop, selector):
        return ready
    return selector.select(min(timeout, ANSWER))


def _all_sleep(loop: Any) -> bool:
    """True if every task waits for the end of a sleep, or for others that do: no connection brings that."""
    timers = (timer for timer in loop._scheduled if not timer.cancelled())  # noqa: SLF001
    sleeps = {timer._args[0] for timer in timers if timer._callback is WAKE}  # noqa: SLF001
    tasks = asyncio.all_tasks(loop)
    awaited = [part for task in tasks for part in _parts(task._fut_waiter)]  # type: ignore[attr-defined]  # noqa: SLF001
    return bool(tasks) and all(part in sleeps or part in tasks for part in awaited)


def _parts(future: Any) -> Iterable[Any]:
    """What a task awaits; of `gather` what has not ended yet."""
    return [part for part in getattr(future, "_children", [future]) if part is None or not part.done()]


def _speaks_to_itself(loop: Any, selector: selectors.BaseSelector) -> bool:
    """True if both ends of each connection are in this loop. What is sent is there at once."""
    own = loop._ssock.fileno()  # noqa: SLF001 - by which threads wake it
    try:
        ends = set(_ends(descriptor for descriptor in selector.get_map() if descriptor != own))
    except OSError:  # a pipe
        return False
    return all(far and (far, near) in ends for near, far in ends)


def _ends(descriptors: Iterable[Any]) -> Iterator[tuple[object, object]]:
    """Both addresses of each connection. A server that nobody connects to brings nothing."""
    for descriptor in descriptors:
        with contextlib.closing(socket.socket(fileno=os.dup(descriptor))) as end:
            if not end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield end.getsockname(), end.getpeername()
