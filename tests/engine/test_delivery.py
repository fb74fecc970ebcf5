"""Deliveries are messages: every attempt gets its own copy of the arguments."""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from jobchaos.core.job import Job
from jobchaos.engine.delivery import Delivery
from jobchaos.errors import UsageError


def no_loop(_coroutine: Coroutine[Any, Any, Any]) -> object:
    raise AssertionError("not a coroutine job")


def test_each_run_gets_the_arguments_as_they_were_delivered() -> None:
    seen: list[dict[str, int]] = []

    def job(order: dict[str, int]) -> None:
        seen.append(dict(order))
        order["cents"] += 1

    order = {"cents": 1}
    delivery = Delivery(Job(job, order), (), no_loop)
    order["cents"] = 99  # the caller may go on using it
    delivery.run()
    delivery.run()
    assert seen == [{"cents": 1}, {"cents": 1}]


def test_shared_objects_are_passed_as_they_are() -> None:
    state: dict[str, list[int]] = {"n": []}
    delivery = Delivery(Job(lambda given: given["here"]["n"].append(1), {"here": state}), [state], no_loop)
    delivery.run()
    delivery.run()
    assert state == {"n": [1, 1]}


def test_what_cannot_be_copied_is_named() -> None:
    with pytest.raises(UsageError, match=r"argument lock= of .*cannot be copied \(TypeError: cannot pickle"):
        Delivery(Job(lambda lock: None, lock=threading.Lock()), (), no_loop)


def test_a_coroutine_is_run_in_the_given_loop() -> None:
    async def job() -> int:
        return 5

    def loop(coroutine: Coroutine[Any, Any, Any]) -> object:
        coroutine.close()
        return "looped"

    assert Delivery(Job(job), (), loop).run() == "looped"


def test_an_argument_need_not_be_true_or_false() -> None:
    class Array:
        """As in NumPy and pandas."""

        def __bool__(self) -> bool:
            raise ValueError("ambiguous")

    seen: list[Array] = []
    array = Array()
    Delivery(Job(seen.append, array), (), no_loop).run()
    assert isinstance(seen[0], Array)
    assert seen[0] is not array
