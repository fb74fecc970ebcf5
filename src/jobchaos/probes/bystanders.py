"""Bystanders: threads that no schedule controls, and that may still end a worker's wait."""

from __future__ import annotations

import concurrent.futures.thread
import selectors
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from types import FrameType

from jobchaos.core.frames import frames_of_threads
from jobchaos.core.project import is_ours, is_project_file

_SLICE = 0.01  # real seconds between two looks
_QUIET = 20  # looks in a row at which nobody was at work, until nobody is believed to be
_WAITS = frozenset(
    [
        (selectors.__file__, "select"),
        (concurrent.futures.thread.__file__, "_worker"),
        *((threading.__file__, name) for name in ("wait", "join", "_wait_for_tstate_lock")),
    ]
)


class Bystanders:
    """Knows which threads are workers or the controller.

    Everybody else is a bystander who runs the project's code, or whom a job has started.

    Real time is looked at only where there are any. It decides nothing as long as one of them is at work, and what
    one of them is about to do takes far less than the moment that is granted.
    """

    def __init__(self) -> None:
        self._controlled: Counter[int] = Counter()  # how many workers live in a thread

        self._jobs: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    def started(self, thread: threading.Thread, *, by_worker: bool) -> None:
        """A thread is about to start. It is the job's if a worker starts it, or another thread of the job's."""
        if by_worker or threading.current_thread() in self._jobs:
            self._jobs.add(thread)

    @property
    def are_jobs(self) -> bool:
        """True if a job has started any that are still there."""
        return any(thread.is_alive() for thread in self._jobs)

    def exclude(self) -> None:
        """The calling thread is controlled, or the controller."""
        self._controlled[threading.get_ident()] += 1

    def include(self) -> None:
        """The calling thread is not controlled any more."""
        self._controlled[threading.get_ident()] -= 1

    def end(self, attempt: Callable[[float], bool], thread: threading.Thread | None = None) -> bool:
        """Let a bystander end a wait.

        Args:
            attempt: Waits for so many real seconds, and returns True if the wait has ended.
            thread: The only one who can end it; None for any.

        Returns:
            False if there is none, or if all of them wait for something themselves.
        """
        quiet = 0
        while quiet < _QUIET:
            frames = self._frames(thread)
            if not frames:
                return attempt(0)  # the last one may have done it just now
            if attempt(_SLICE):
                return True
            quiet = quiet + 1 if all(map(waits, frames)) else 0
        return False

    def _frames(self, thread: threading.Thread | None) -> list[FrameType]:
        frames = frames_of_threads()
        if thread is not None:
            return [frame for ident, frame in frames.items() if ident == thread.ident]
        jobs = {one.ident for one in self._jobs}
        return [
            frame
            for ident, frame in frames.items()
            if not self._controlled[ident] and (ident in jobs or is_the_projects(frame))
        ]


def is_the_projects(frame: FrameType | None) -> bool:
    """True if a thread that is there runs the project's code."""
    while frame is not None:
        if is_project_file(frame.f_code.co_filename):
            return True
        frame = frame.f_back
    return False


def waits(frame: FrameType) -> bool:
    """True if a thread is inside a wait of the standard library; events and queues wait in one of these."""
    here: FrameType | None = frame
    while here is not None and is_ours(here.f_code.co_filename):  # what they call is replaced
        here = here.f_back
    return here is not None and (here.f_code.co_filename, here.f_code.co_name) in _WAITS
