"""Strand: a thread that moves only while it is lent the baton."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

from jobchaos.core.effect import Site
from jobchaos.core.frames import frames_of_threads
from jobchaos.engine.baton import Baton
from jobchaos.engine.death import raise_in
from jobchaos.engine.interrupts import patiently
from jobchaos.engine.sites import call_site

_start = threading.Thread.start  # the genuine one: while a check runs, it is replaced
_BLOWS = 10  # how often a thread that does not come back is struck
_GLANCES = 100_000  # at a thread that is leaving; far more than it takes
_ended: deque[int] = deque(maxlen=64)  # the system's numbers of threads that have ended for Python


def see_off() -> None:
    """Wait until the threads of all strands that have ended are gone for the system, too.

    While it tidies up a thread that has looked up a host name, glibc holds a lock (`__resolv_conf_detach`). A process
    forked in that moment inherits it held for ever, and hangs at its first look-up. Before 3.13, Python's `join` does
    not wait for that. On systems without `/proc` nothing is waited for.
    """
    while _ended:
        path = f"/proc/self/task/{_ended.popleft()}"
        for _ in range(_GLANCES):
            if not os.path.exists(path):
                break
            os.sched_yield()


class Strand:
    """One thread and its baton. It begins when it is lent the baton for the first time.

    Args:
        main: What it does. Its end hands the baton back for good.
        name: The thread's name.
    """

    def __init__(self, main: Callable[[], None], name: str) -> None:
        self._main = main
        self._baton = Baton()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._is_resting = True
        self._is_over = False

    # --- the controller's side ---------------------------------------------------------------------------------------

    def lend(self, guard: float) -> bool:
        """Lend it the baton until it rests or ends.

        Returns:
            False if it does neither within `guard` seconds of real time.
        """
        self._is_resting = False
        self._baton.lend()  # before the thread starts, which saves it a wait
        if self._thread.ident is None:
            _start(self._thread)
        return self._wait(guard)

    def end(self, guard: float) -> bool:
        """Bring it to its end: it goes on if it rests, and its code has been told to end; else it is struck.

        Returns:
            False if that was not possible within about `guard` seconds, and it stays behind.
        """
        if self._is_over or self._thread.ident is None:
            return True
        if self._is_resting:
            return self.lend(guard)
        for _ in range(_BLOWS):
            raise_in(self._thread)
            if self._wait(guard / _BLOWS):
                return self._has_ended() or self.lend(guard)  # it may have reached a step at last, and rest there
        return False

    @property
    def position(self) -> Site | None:
        """Where in the project's code it is now."""
        ident = self._thread.ident
        frame = None if ident is None else frames_of_threads().get(ident)
        return None if frame is None else call_site(frame)

    # --- the thread's side -------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Give the baton back, and wait until it is lent again."""
        self._baton.hand_back()
        self._baton.receive()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> bool:
        self._is_resting = patiently(self._baton.wait, seconds)
        if self._is_over:
            self._thread.join()
            _ended.append(self._thread.native_id or 0)
        return self._is_resting

    def _has_ended(self) -> bool:
        return self._is_over  # as the thread has left it by now

    def _live(self) -> None:
        self._baton.receive()
        try:
            self._main()
        finally:
            self._is_over = True
            self._baton.hand_back()
