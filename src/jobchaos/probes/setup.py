"""Setup: the time in which a library prepares a new connection, which is no doing of the job's."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class _Here(threading.local):
    active = False


_here = _Here()


@contextlib.contextmanager
def setting_up() -> Iterator[None]:
    """What is opened meanwhile is quiet: its statements are no steps, until whoever has opened it says otherwise."""
    before, _here.active = _here.active, True
    try:
        yield
    finally:
        _here.active = before


def is_setting_up() -> bool:
    """True if the calling thread is within `setting_up`."""
    return _here.active
