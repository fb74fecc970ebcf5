"""What keys held before a check whose server was lost, as commands in a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from jobchaos.core.expiry import ANCHOR


def rescue(initial: Mapping[bytes, tuple[bytes, int] | None]) -> Path:
    """Write them into a new file in the temporary directory.

    Args:
        initial: By key, what DUMP gave, and the millisecond at which it expires (-1 for never); None if there was none.

    Returns:
        The file, which redis-cli reads, as does a server that is sent its bytes.
    """
    handle, name = tempfile.mkstemp(prefix="jobchaos-redis-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{_command(key, held)}\n" for key, held in initial.items())
    return Path(name)


def _command(key: bytes, held: tuple[bytes, int] | None) -> str:
    if held is None:
        return f"DEL {_quoted(key)}"
    dump, expires = held
    left = 0 if expires < 0 else max(expires - ANCHOR, 1)  # while a check runs, what expires does so after the anchor
    return f"RESTORE {_quoted(key)} {left} {_quoted(dump)} REPLACE"


def _quoted(text: bytes) -> str:
    """Bytes as redis-cli reads them, https://redis.io/docs/latest/develop/tools/cli/ under string quoting."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in text) + '"'
