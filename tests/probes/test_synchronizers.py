"""Events, semaphores and their like: named as the project names them, and put back between runs."""

from __future__ import annotations

import queue
import threading
from typing import Any

import pytest

from jobchaos.probes.synchronizers import Synchronizers

OPEN = threading.Event()
_cond: dict[str, Any] = vars(OPEN)


@pytest.mark.parametrize(
    ("make", "part", "kind"),
    [
        (threading.Event, "_cond", "event"),
        (lambda: threading.Semaphore(2), "_cond", "semaphore"),
        (lambda: threading.BoundedSemaphore(2), "_cond", "boundedsemaphore"),
        (lambda: threading.Barrier(2), "_cond", "barrier"),
        (queue.Queue, "not_empty", "queue"),
        (queue.LifoQueue, "not_full", "lifoqueue"),
    ],
)
def test_a_condition_is_named_by_what_it_is_a_part_of(make: Any, part: str, kind: str) -> None:
    value = make()
    assert Synchronizers([{"mine": value}]).name(vars(value)[part]) == f"{kind}:mine"


def test_globals_of_the_project_are_known() -> None:
    assert Synchronizers(()).name(_cond["_cond"]) == "event:OPEN"


def test_a_condition_itself_and_one_without_a_name() -> None:
    condition = threading.Condition()
    assert Synchronizers([{"changed": condition}]).name(condition) == "condition:changed"
    assert Synchronizers(()).name(condition) == "a condition that the project has no name for"


def test_they_are_put_back_but_queues_keep_what_is_in_them() -> None:
    event, seats, inbox = threading.Event(), threading.Semaphore(2), queue.Queue[int]()
    known = Synchronizers([{"event": event, "seats": seats, "inbox": inbox}])
    event.set()
    seats.acquire()
    inbox.put(1)
    known.restore(threading.Event)
    assert not event.is_set()
    assert seats.acquire(blocking=False)
    assert not seats.acquire(blocking=False)
    known.restore()
    assert seats.acquire(blocking=False)
    assert inbox.get_nowait() == 1
