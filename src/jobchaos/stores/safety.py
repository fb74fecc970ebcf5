"""Safety: what may be restored without asking, because it is plainly a test resource."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence

from jobchaos.errors import UnsafeRestoreError

_TEST = re.compile(r"(?<![a-z])tests?(?![a-z])")  # not latest.db, nor contest.db


def require_test_path(path: str, allow: Sequence[str]) -> None:
    """Refuse a path that is neither plainly a test resource nor allowed.

    Plainly a test resource is what lies in a directory for temporary files, or has the word `test` in its name.

    Args:
        path: Absolute path of a file or directory.
        allow: Paths that the user has allowed, with all below them.

    Raises:
        UnsafeRestoreError: Otherwise.
    """
    real = os.path.realpath(path)
    if any(_is_below(real, os.path.realpath(root)) for root in allow):
        return
    shared = [os.path.realpath(root) for root in _temporary()]  # itself full of what other programs have put there
    if real not in shared and any(_is_below(real, root) for root in shared):
        return
    if _TEST.search(os.path.basename(real).lower()):
        return
    raise UnsafeRestoreError(
        f"{path} is not plainly a test resource. A check restores it many times, and would destroy what is in it. Use "
        f"a copy under tmp_path or one with 'test' in its name, or allow it: @pytest.mark.jobchaos(allow=[{path!r}])."
    )


def require_test_database(database: str, host: str, allow: Sequence[str]) -> None:
    """Refuse a server's database that is neither plainly a test resource nor allowed.

    Plainly a test resource is what has the word `test` in its name.

    Args:
        database: Its name.
        host: Where its server is: a name, an address, or a folder with a socket.
        allow: Databases that the user has allowed: `name`, or `host/name`.

    Raises:
        UnsafeRestoreError: Otherwise.
    """
    if _TEST.search(database.lower()) or database in allow or f"{host}/{database}" in allow:
        return
    raise UnsafeRestoreError(
        f"the database {database!r} on {host or 'this machine'} is not plainly a test resource. A check restores it "
        "many times, and would destroy what is in it. Use a database with 'test' in its name, or allow it: "
        f"@pytest.mark.jobchaos(allow=[{f'{host}/{database}'!r}])."
    )


def _temporary() -> tuple[str, ...]:
    return tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"  # noqa: S108 - compared with, not used


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
