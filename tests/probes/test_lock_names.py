"""Names of locks: looked for when they are taken, and only as far as need be."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from jobchaos.probes import lock_names
from jobchaos.probes.lock_names import LockNames, taker_of

GLOBAL = threading.Lock()


class Places:
    """Counts how often it is asked."""

    def __init__(self, **locks: Any) -> None:
        self.locks = locks
        self.asked = 0

    def __call__(self) -> list[dict[str, Any]]:
        self.asked += 1
        return [self.locks]


def frame_of(name: str, file: str = "/site-packages/module.py") -> FrameType:
    """A frame that has called this module, in a module of another name."""
    seen: list[FrameType] = []
    namespace: dict[str, Any] = {"__name__": name, "call": lambda: seen.append(sys._getframe(1))}
    exec(compile("call()", file, "exec"), namespace)
    return seen[0]


def test_a_global_of_the_project_has_its_name() -> None:
    assert LockNames(Places()).of(GLOBAL, sys._getframe()) == "lock:GLOBAL"


def test_what_is_put_in_its_place_later_is_found() -> None:
    places = Places()
    names = LockNames(places)
    assert names.of(GLOBAL, sys._getframe()) == "lock:GLOBAL"
    places.locks["made"] = threading.RLock()
    assert names.of(places.locks["made"], sys._getframe()) == "lock:made"


def test_one_lock_is_looked_for_once() -> None:
    places = Places()
    names, private = LockNames(places), threading.Lock()
    assert [names.of(private, sys._getframe()) for _ in range(3)] == [""] * 3
    assert places.asked == 1


def test_locks_of_libraries_are_looked_for_once_in_all() -> None:
    places = Places(shared=threading.Lock())
    names, library = LockNames(places), frame_of("library")
    assert [names.of(threading.Lock(), library) for _ in range(3)] == [""] * 3
    assert names.of(places.locks["shared"], library) == "lock:shared"
    assert places.asked == 1


def test_who_makes_locks_without_end_is_not_followed_for_ever() -> None:
    places = Places()
    names = LockNames(places)
    kept = [threading.Lock() for _ in range(200)]
    assert {names.of(lock, sys._getframe()) for lock in kept} == {""}
    assert places.asked == 100


@pytest.mark.parametrize("below", ["threading", "queue", "importlib._bootstrap", "jobchaos.probes.waits"])
def test_nothing_is_looked_for_on_behalf_of_what_all_is_built_on(below: str) -> None:
    places = Places(mine=threading.Lock())
    names = LockNames(places)
    assert names.of(places.locks["mine"], taker_of(frame_of(below))) == ""
    assert places.asked == 0


def test_a_handler_of_a_log_has_its_lock() -> None:
    handler = logging.Handler()
    assert LockNames(Places()).of(handler.lock, sys._getframe()) == "lock:lock"
    handler.close()


def through(*modules: tuple[str, str]) -> FrameType | None:
    """Whose lock it is that is taken through functions of these modules, the innermost first, with their files."""
    takers: list[FrameType | None] = []

    def take() -> None:
        takers.append(taker_of(sys._getframe(1)))

    call: Callable[[], None] = take
    for name, file in modules:
        namespace: dict[str, Any] = {"__name__": name, "call": call}
        exec(compile("def use(): call()", file, "exec"), namespace)
        call = namespace["use"]
    call()
    return takers[0]


LOGGING = ("logging", logging.__file__)
OURS = ("jobchaos.probes.logs", lock_names.__file__)
LIBRARY = ("library", "/site-packages/library.py")


@pytest.mark.parametrize(
    "modules",
    [
        pytest.param((LOGGING,), id="a helper of Python"),
        pytest.param((("functools", functools.__file__), ("contextlib", contextlib.__file__)), id="several"),
        pytest.param((LOGGING, OURS, LOGGING), id="a helper that is replaced"),
    ],
)
def test_who_takes_a_lock_through_a_helper_is_its_taker(modules: tuple[tuple[str, str], ...]) -> None:
    taker = through(*modules)
    assert taker is not None
    assert taker.f_code is through.__code__


def test_a_library_takes_its_locks_for_itself() -> None:
    taker = through(LIBRARY, LOGGING)
    assert taker is not None
    assert taker.f_code.co_filename == LIBRARY[1]


def test_what_jobchaos_takes_is_nobodys() -> None:
    assert through(OURS, LOGGING) is None


def test_nor_told_to_them() -> None:
    """A condition that stands on a lock of the project waits as a whole."""
    names = LockNames(Places())
    assert names.of(GLOBAL, sys._getframe()) == "lock:GLOBAL"
    assert names.of(GLOBAL, taker_of(frame_of("threading"))) == ""
