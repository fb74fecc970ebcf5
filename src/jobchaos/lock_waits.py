"""LockWaits: a test's threads wait for locks of `threading` in virtual time, wherever the locks are kept."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from jobchaos.company import Company
from jobchaos.probes.base import Patches
from jobchaos.probes.lock_methods import KINDS, NEVER, replace_in_conditions, replace_methods

_ENTER = threading.Condition.__enter__.__code__
_SECOND = 10**9
_NOT_THE_TESTS = sys.stdlib_module_names | {"jobchaos"}
"""What they build on locks either waits in virtual time as a whole, or must not wait in it at all."""

_Acquire = Callable[..., bool]


class LockWaits:
    """Whoever waits for a lock in the company waits in virtual time, as long as a test with a fake clock runs.

    Args:
        company: The threads of the test.
    """

    def __init__(self, company: Company) -> None:
        self._company = company
        self._has_ended = False

    def install(self, patches: Patches) -> None:
        """Replace the methods until `patches` are undone."""
        for kind in KINDS:
            genuine: _Acquire = kind.acquire
            methods = {"acquire": self._acquiring(genuine), "__enter__": self._entering(genuine)}
            replace_methods(patches, kind, methods)
        replace_in_conditions(patches)
        patches.on_undo(self._end)

    def _end(self) -> None:
        self._has_ended = True  # conditions that the test has made keep the method of their lock

    def _acquiring(self, genuine: _Acquire) -> _Acquire:
        def acquire(lock: Any, blocking: bool = True, timeout: float = NEVER) -> bool:
            if blocking and (timeout >= 0 or timeout == NEVER):
                return self._acquire(lock, genuine, timeout)
            return genuine(lock, blocking, timeout)

        return acquire

    def _entering(self, genuine: _Acquire) -> _Acquire:
        def enter(lock: Any) -> bool:
            return self._acquire(lock, genuine, NEVER)

        return enter

    def _acquire(self, lock: Any, genuine: _Acquire, timeout: float) -> bool:
        if genuine(lock, False):
            return True
        if self._has_ended or not self._company.is_here() or not _is_for_the_test():
            return genuine(lock, True, timeout)
        return self._company.wait(_Release(lock, genuine), None if timeout == NEVER else round(timeout * _SECOND))


class _Release:
    """That a lock is let go of by who holds it; whoever waits for that has it then."""

    def __init__(self, lock: Any, genuine: _Acquire) -> None:
        self._lock = lock
        self._genuine = genuine

    def comes(self, seconds: float) -> bool:
        return self._genuine(self._lock, True, seconds)

    def has_come(self) -> bool:
        return repr(self._lock).startswith("<unlocked")  # reentrant ones have no other way to tell

    def wake(self) -> None:
        pass


def _is_for_the_test() -> bool:
    frame: FrameType | None = sys._getframe(3)  # noqa: SLF001 - the documented way to walk frames
    if frame is not None and frame.f_code is _ENTER:
        frame = frame.f_back
    name = "" if frame is None else str(frame.f_globals.get("__name__"))
    return name.partition(".")[0] not in _NOT_THE_TESTS
