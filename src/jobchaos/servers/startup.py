"""How long to wait for a server that was started, and what it has to say if that was in vain."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 30.0  # seconds: a busy machine
LOG = "log"
"""Name of the file in a server's folder to which it writes."""
_LONGEST = 2000
_sleep = [time.sleep]  # in a list, where freezegun does not look
_clock = [time.monotonic]


def is_up(server: subprocess.Popen[bytes], is_ready: Callable[[], bool]) -> bool:
    """Wait until a server is ready; False if it ends, or takes too long.

    Args:
        server: Its process.
        is_ready: Looks; an `OSError` means no.
    """
    deadline = _clock[0]() + PATIENCE
    while server.poll() is None and _clock[0]() < deadline:
        with contextlib.suppress(OSError):
            if is_ready():
                return server.poll() is None
        _sleep[0](0.005)
    return False


def told(folder: Path) -> str:
    """The end of a server's log."""
    return (folder / LOG).read_text(encoding="utf-8", errors="replace")[-_LONGEST:]
