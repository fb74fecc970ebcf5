"""Frozen: freezegun showing virtual time to controlled workers, and to everybody else what they saw before.

Problem: freezegun freezes the whole process by rewriting module attributes, and guesses from the names of the calling
modules who should see real time. Servers, event loops and pytest run beside a check and must not see a frozen clock; a
job that is called straight from a thread, or lives in a module called `queue_tools`, must.

Solution: freezegun does the rewriting, once per check. Its guess is always answered with "real time", and in
place of its real functions are ours, which ask whether the calling thread is a controlled worker. One `Frozen` can be
inside another, or inside a freeze of the user's.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import queue
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

import freezegun.api

from jobchaos.clock import datetimes
from jobchaos.clock.virtual import VirtualClock

_EPOCH = freezegun.api.real_datetime(1970, 1, 1)
_FRAMEWORKS = ("hypothesis.", "_pytest.", "pluggy.", "trio.")
"""They may run in a controlled thread (around a test, or as the garbage collector's callbacks), and are not the job.

trio's event loop waits in real time, and would never find that it has passed.
"""
_STACKS: tuple[list[Any], ...] = (
    freezegun.api.freeze_factories,
    freezegun.api.tz_offsets,
    freezegun.api.ignore_lists,
    freezegun.api.tick_flags,
)
_real_perf_counter = [freezegun.api.real_perf_counter]  # in a list, where freezegun does not look for real functions


class Machine(Protocol):
    """Who looks at a clock: a controlled worker."""

    @property
    def copy(self) -> str:
        """The copy's letter, which tells how wrong the machine's wall clock is."""


def wall_seconds() -> float:
    """Seconds of real time since some moment, also if the test has frozen the time."""
    return _real_perf_counter[0]()


class Frozen:
    """Context manager: inside it, controlled threads read `clock` wherever they ask for the time.

    Args:
        clock: The time to show.
        current: The worker of the calling thread, or None if the thread is not controlled.
    """

    def __init__(self, clock: VirtualClock, current: Callable[[], Machine | None]) -> None:
        self._clock = clock
        self._current = current
        self._travelled_before = False
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> None:
        self._travelled_before = _is_travelling()
        with contextlib.ExitStack() as undo:
            self._freeze(undo)
            for name, replacement in self._functions().items():
                _swap(undo, vars(freezegun.api), f"real_{name}", replacement)
            for name, replacement in self._unfrozen().items():
                _swap(undo, vars(time), name, replacement)
            self._undo = undo.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._undo.close()

    def _freeze(self, undo: contextlib.ExitStack) -> None:
        theirs = freezegun.api.freeze_factories[-1] if freezegun.api.freeze_factories else None
        guess = freezegun.api._should_use_real_time if theirs else _always  # noqa: SLF001 - the only place where the guess can be replaced

        def answered_by_us() -> bool:
            return not _is_frozen_by_the_job() if self._current() else guess()

        # First, and so undone last: threads that are not controlled may look at the time at any moment.
        _swap(undo, vars(freezegun.api), "_should_use_real_time", answered_by_us)
        offset = freezegun.api.tz_offsets[-1] if theirs else 0
        freezer: Any = freezegun.freeze_time(_EPOCH, tz_offset=offset, real_asyncio=False)
        # In place of freezegun's list, which takes a job's `gift_shop` for `gi`.
        freezer.ignore = freezegun.api.ignore_lists[-1] if theirs else ("jobchaos.", *_FRAMEWORKS)
        if theirs:
            freezer.start()
        else:
            datetimes.put_in_place(freezer)
            # What waits in real time measures real time.
            threading._time = queue.time = freezegun.api.real_monotonic  # type: ignore[attr-defined]  # noqa: SLF001
            undo.callback(setattr, asyncio.BaseEventLoop, "time", asyncio.BaseEventLoop.time)
            asyncio.BaseEventLoop.time = _timer(freezegun.api.real_monotonic)  # type: ignore[assignment,method-assign]
        freezegun.api.freeze_factories[-1] = _Factory(self._shown, theirs)  # type: ignore[call-overload]  # any callable will do
        undo.callback(_thaw, freezer, len(freezegun.api.freeze_factories))

    def _shown(self) -> int | None:
        """The wall clock's nanoseconds since the epoch; None for a thread that is not controlled."""
        machine = self._current()
        if machine is None or (_is_travelling() and not self._travelled_before):
            return None  # time-machine changes the real clock, for a job that asks it to
        self._clock.look()
        return self._clock.wall(machine.copy)

    def _monotonic(self) -> int | None:
        if self._current() is None:
            return None
        self._clock.look()
        return self._clock.monotonic()

    def _functions(self) -> dict[str, Callable[..., Any]]:
        """Replacements for freezegun's references to the real functions."""
        before = {name: getattr(freezegun.api, f"real_{name}") for name in ("localtime", "gmtime", "strftime")}

        def strftime(form: str, *moment: Any) -> Any:
            return before["strftime"](form, *(moment or (self._broken_down(before["localtime"])(),)))

        functions: dict[str, Callable[..., Any]] = {
            "localtime": self._broken_down(before["localtime"]),
            "gmtime": self._broken_down(before["gmtime"]),
            "strftime": strftime,
        }
        for name, read in (("time", self._shown), ("monotonic", self._monotonic), ("perf_counter", self._monotonic)):
            functions[f"{name}_ns"] = _either(read, getattr(freezegun.api, f"real_{name}_ns"), int)
            functions[name] = _either(read, getattr(freezegun.api, f"real_{name}"), _in_seconds)
        return functions

    def _broken_down(self, convert: Callable[..., Any]) -> Callable[..., Any]:
        """`time.localtime` or `time.gmtime`."""

        def now_or(*moment: Any) -> Any:
            if moment and moment[0] is not None:
                return convert(*moment)
            shown = self._shown()
            return convert() if shown is None else convert(_in_seconds(shown))

        return now_or

    def _unfrozen(self) -> dict[str, Callable[..., Any]]:
        """Replacements for what freezegun leaves alone in the module `time`."""
        ctime, asctime = time.ctime, time.asctime

        def text(*moment: Any) -> str:
            shown = None if moment and moment[0] is not None else self._shown()
            return ctime(*moment) if shown is None else ctime(_in_seconds(shown))

        def text_of(*moment: Any) -> str:
            return asctime(*moment) if moment else text()

        functions: dict[str, Callable[..., Any]] = {"ctime": text, "asctime": text_of}
        for name in ("clock_gettime", "clock_gettime_ns"):
            if hasattr(time, name):  # not on Windows
                convert: Callable[[int], float] = int if name.endswith("_ns") else _in_seconds
                functions[name] = self._reader(getattr(time, name), convert)
        return functions

    def _reader(self, genuine: Callable[[int], Any], convert: Callable[[int], float]) -> Callable[[int], Any]:
        reads = {time.CLOCK_REALTIME: self._shown, time.CLOCK_MONOTONIC: self._monotonic}

        def clock_gettime(number: int, /) -> Any:
            shown = reads[number]() if number in reads else None
            return genuine(number) if shown is None else convert(shown)

        return clock_gettime


class _Factory:
    """Answers freezegun's own `FakeDatetime.now`, which is in use where the user has frozen time."""

    def __init__(self, shown: Callable[[], int | None], theirs: Callable[[], Any] | None) -> None:
        self._shown = shown
        self._theirs = theirs

    def __call__(self) -> datetime.datetime:
        shown = self._shown()
        if shown is None and self._theirs is not None:
            return self._theirs()  # type: ignore[no-any-return]
        nanoseconds = freezegun.api.real_time_ns() if shown is None else shown
        return _EPOCH + datetime.timedelta(microseconds=nanoseconds // 1000)


def _is_frozen_by_the_job() -> bool:
    """True if the job uses freezegun itself: then it sees what it asked for."""
    return not isinstance(freezegun.api.freeze_factories[-1], _Factory)


def _is_travelling() -> bool:
    """True if time-machine is loaded, and has changed the time of this process."""
    time_machine = sys.modules.get("time_machine")
    return time_machine is not None and bool(time_machine.escape_hatch.is_travelling())


def _thaw(freezer: Any, depth: int) -> None:
    for stack in _STACKS:
        del stack[depth:]  # freezes that the job has forgotten
    freezer.stop()


def _swap(undo: contextlib.ExitStack, namespace: dict[str, Any], name: str, replacement: object) -> None:
    undo.callback(namespace.__setitem__, name, namespace[name])
    namespace[name] = replacement


def _either(
    read: Callable[[], int | None], genuine: Callable[[], Any], convert: Callable[[int], float]
) -> Callable[[], Any]:
    def now() -> Any:
        caller = sys._getframe(2)  # noqa: SLF001 - the documented way to walk frames; freezegun is between
        measures = str(caller.f_globals.get("__name__")).startswith(_FRAMEWORKS)  # Hypothesis its deadline, for one
        shown = None if measures else read()
        return genuine() if shown is None else convert(shown)

    return now


def _timer(genuine: Callable[[], float]) -> Callable[[asyncio.BaseEventLoop], float]:
    return lambda _loop: genuine()


def _in_seconds(nanoseconds: int) -> float:
    return nanoseconds / 10**9


def _always() -> bool:
    return True
