"""Project files: the user's own code, as told from the standard library's, installed packages' and ours."""

from __future__ import annotations

import functools
import sysconfig

_OURS = __file__.replace("\\", "/").rsplit("/core/", 1)[0] + "/"
_INSTALLED = tuple(
    dict.fromkeys(path.replace("\\", "/") + "/" for path in sysconfig.get_paths().values() if "python" in path.lower())
)


@functools.lru_cache(maxsize=4096)
def is_project_file(filename: str) -> bool:
    """True for a source file that is neither generated code, nor installed, nor part of Python or jobchaos."""
    path = filename.replace("\\", "/")
    if path.startswith("<") or is_ours(path) or "/site-packages/" in path or "/dist-packages/" in path:
        return False
    return not path.startswith(_INSTALLED)


def is_ours(filename: str) -> bool:
    """True for a source file of jobchaos itself."""
    return filename.replace("\\", "/").startswith(_OURS)
