"""Collector: while a check runs, Python's garbage collector comes less often.

It comes when so many objects have been made that are still there, and looks through them; every hundredth time or so,
through all that the process has. A check makes thousands for each schedule, most of which are gone with it.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

_OBJECTS = 20_000  # a few megabytes


@contextlib.contextmanager
def seldom() -> Iterator[None]:
    """Until the end of the block; whoever has turned it off, or wants it to come still less often, has it so."""
    before = gc.get_threshold()
    if 0 < before[0] < _OBJECTS:
        gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
