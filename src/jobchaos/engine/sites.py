"""Call sites: the innermost line of the user's own code on the stack."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

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
            return _site(code.co_filename, here.f_lineno, code.co_name)
        here = here.f_back
    return _site_outside()


def _site_outside() -> Site | None:
    """The call site of who has switched to the present greenlet, if it is one: its stack begins with itself."""
    greenlet = sys.modules.get("greenlet")
    parent = None if greenlet is None else greenlet.getcurrent().parent
    frame = None if parent is None else parent.gr_frame
    return None if frame is None else call_site(frame)


def await_site(coroutine: object) -> Site | None:
    """The innermost line of the project's code at which a coroutine is suspended, or None."""
    site: Site | None = None
    for frame in await_frames(coroutine):
        if is_project_file(frame.f_code.co_filename):
            site = _site(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
    return site


def waiting_site() -> Site | None:
    """Where a task waits for what another task, or a callback of the running event loop, meets on its behalf.

    Returns:
        None if no event loop runs, or if a line of the project's is underway in it.
    """
    asyncio = sys.modules.get("asyncio")
    loop = None if asyncio is None else asyncio._get_running_loop()  # noqa: SLF001 - the one that does not raise
    if asyncio is None or loop is None:
        return None
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None and frame.f_code is not asyncio.Handle._run.__code__:  # noqa: SLF001 - where it calls
        if is_project_file(frame.f_code.co_filename):
            return None
        frame = frame.f_back
    sites = [await_site(task.get_coro()) for task in asyncio.all_tasks(loop)]
    return min((site for site in sites if site is not None), key=lambda site: (site.file, site.line), default=None)


def await_frames(coroutine: object) -> Iterator[FrameType]:
    """The frames of a suspended coroutine, and of what it awaits."""
    awaiting: object = coroutine
    while awaiting is not None:
        frame = _part(awaiting, "frame")
        if frame is not None:
            yield frame
        awaiting = _part(awaiting, "await")


_PARTS = {"frame": ("cr_frame", "gi_frame", "ag_frame"), "await": ("cr_await", "gi_yieldfrom", "ag_await")}


def _part(awaiting: object, part: str) -> Any:
    """Of a coroutine, a generator or an asynchronous generator."""
    return next((getattr(awaiting, name) for name in _PARTS[part] if hasattr(awaiting, name)), None)


_site = functools.lru_cache(maxsize=4096)(Site)
