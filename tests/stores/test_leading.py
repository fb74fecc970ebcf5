"""Whatever the project keeps by name is found, through its functions, classes, objects and containers."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from jobchaos.stores.leading import led_to


class Service:
    """An object with a lock of its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def work(self) -> None: ...


class Registry:
    """A class with a lock, and with an object that has one."""

    lock = threading.Lock()
    service: ClassVar = Service()

    @property
    def service_of_a_property(self) -> Service:
        return IN_A_FUNCTION

    @functools.cached_property
    def cached(self) -> int:
        return 1


class Lazy:
    """Must not be asked anything."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


LAZY = Lazy()
LOCKS = {"main": threading.Lock()}
SERVICES = {"main": (Service(), [Service()])}
IN_A_FUNCTION = Service()
DATA = list(range(100_000))


def guarded(function: Callable[[], None]) -> Callable[[], None]:
    lock = threading.Lock()

    @functools.wraps(function)
    def call() -> None:
        with lock:
            function()

    return call


@guarded
def helper() -> None:
    IN_A_FUNCTION.work()


def job() -> None:
    helper()


def found(*jobs: Callable[..., Any]) -> set[int]:
    """The ids of all locks."""
    kinds = (type(threading.Lock()), type(threading.RLock()))
    return {id(value) for place in led_to(*jobs) for value in place.values() if type(value) in kinds}


@pytest.mark.parametrize(
    "lock",
    [
        pytest.param(Registry.lock, id="of a class"),
        pytest.param(Registry.service.lock, id="of an object of a class"),
        pytest.param(LOCKS["main"], id="in a dictionary"),
        pytest.param(SERVICES["main"][0].lock, id="of an object in a container"),
        pytest.param(SERVICES["main"][1][0].lock, id="deeper"),
        pytest.param(IN_A_FUNCTION.lock, id="of an object that only a helper knows"),
        pytest.param(inspect.getclosurevars(helper).nonlocals["lock"], id="of a decorator"),
    ],
)
def test_a_lock_is_found(lock: object) -> None:
    assert id(lock) in found(job)
    assert id(lock) in found(functools.partial(job))
    assert id(lock) in found(Service().work)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="cached properties have no lock any more")
def test_the_lock_of_a_cached_property_is_found() -> None:
    assert id(vars(vars(Registry)["cached"])["lock"]) in found(job)


def test_what_libraries_keep_is_left_alone() -> None:
    places = [place for place in led_to(job) if place is vars(threading) or place is vars(functools)]
    assert not places


def test_a_place_is_given_once() -> None:
    places = [id(place) for place in led_to(job, helper, job)]
    assert len(places) == len(set(places))
    assert id(globals()) in places
