"""Call sites: the innermost line of the user's own code on the stack."""

from __future__ import annotations

import sys
from types import FrameType

from jobchaos.core.effect import Site
from jobchaos.core.project import is_project_file


def call_site(frame: FrameType | None = None) -> Site | None:
    """The site that caused what is happening now, or None if no project file is on the stack.

    Args:
        frame: Where to start; None for the caller.
    """
    here: FrameType | None = frame or sys._getframe(1)  # noqa: SLF001 - the documented way to walk frames
    while here is not None:
        code = here.f_code
        if is_project_file(code.co_filename):
            return Site(code.co_filename, here.f_lineno, code.co_name)
        here = here.f_back
    return None
