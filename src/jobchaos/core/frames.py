"""What threads are doing at the moment."""

from __future__ import annotations

import gc
import sys
from types import FrameType


def frames_of_threads() -> dict[int, FrameType]:
    """Where each thread is, by its identity."""
    # If the garbage collector starts inside the call, CPython before 3.11.8 and 3.12.2 waits for itself (gh-106883).
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()  # noqa: SLF001 - documented for debuggers
    finally:
        if was_enabled:
            gc.enable()
