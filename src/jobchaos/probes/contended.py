"""Waiting for one's turn, when it never comes."""

from __future__ import annotations

import functools

from jobchaos.core.hang import Hang
from jobchaos.core.ports import Worker


def never_comes(worker: Worker, resource: str, timeout: float | None, advice: str) -> bool:
    """Ask whether a wait for a lock or the like is in vain; if so, let its timeout pass in virtual time.

    Args:
        worker: Who waits.
        resource: What for: `lock:state`.
        timeout: Seconds; None if it would wait for ever.
        advice: What to write to set a timeout.

    Returns:
        True if the timeout is over: the lock was not got.
    """
    if timeout is not None and timeout <= 0:  # it only looks
        return False
    hang = functools.partial(Hang, resource, timeout, None, advice, "lock")
    if worker.ask(hang) is None:
        return False
    worker.time_out(hang())
    return True
