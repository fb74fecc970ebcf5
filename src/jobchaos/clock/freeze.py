"""Frozen: freezegun showing virtual time to controlled workers, and real time to everybody else.

Problem: freezegun freezes the whole process by rewriting module attributes, and guesses from the names of the calling
modules who should see real time. Servers, event loops and pytest run beside a check and must not see a frozen clock; a
job that is called straight from a thread, or lives in a module called `queue_tools`, must.

Solution: freezegun does the rewriting, once per check. Who sees which time is decided exactly, by asking whether
the calling thread is a controlled worker: through a time factory of our own, and in place of freezegun's guess.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from types import TracebackType
from typing import Any

import freezegun
import freezegun.api

from jobchaos.clock.virtual import VirtualClock

_EPOCH = datetime.datetime(1970, 1, 1)
_real_datetime = [datetime.datetime]  # in a list, where freezegun does not look for real classes to replace


class Frozen:
    """Context manager: inside it, controlled threads read `clock` wherever they ask for the time.

    Args:
        clock: The time to show.
        controlled: True if the calling thread is a controlled worker.
    """

    def __init__(self, clock: VirtualClock, controlled: Callable[[], bool]) -> None:
        self._clock = clock
        self._controlled = controlled
        self._freezer: Any = None
        self._guess: Callable[[], bool] | None = None

    def __enter__(self) -> Frozen:
        self._freezer = freezegun.freeze_time(_EPOCH, real_asyncio=False)
        self._freezer.start()
        freezegun.api.freeze_factories[-1] = self._time
        self._guess = freezegun.api._should_use_real_time  # noqa: SLF001 - the only place where the guess can be replaced
        freezegun.api._should_use_real_time = self._sees_real_time  # noqa: SLF001
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        freezegun.api._should_use_real_time = self._guess  # noqa: SLF001
        self._freezer.stop()

    def _sees_real_time(self) -> bool:
        return not self._controlled()

    def _time(self) -> datetime.datetime:
        if self._controlled():
            self._clock.reads += 1
            return _EPOCH + datetime.timedelta(microseconds=self._clock.now() // 1000)
        return _real_datetime[0].now(datetime.timezone.utc).replace(tzinfo=None)
