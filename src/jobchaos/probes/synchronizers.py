"""Synchronizers: the events, conditions, semaphores, barriers and queues that the project knows by name."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterable, MutableMapping
from typing import Any

from jobchaos.probes.loaded import loaded

TASK_KINDS = (
    asyncio.Lock,
    asyncio.Event,
    asyncio.Condition,
    asyncio.Semaphore,
    asyncio.BoundedSemaphore,
    asyncio.Queue,
)
"""Those for the tasks of an event loop. They belong to the first loop in which anybody had to wait for them."""
_KINDS = (
    *TASK_KINDS,
    threading.Event,
    threading.Condition,
    threading.BoundedSemaphore,
    threading.Semaphore,
    threading.Barrier,
    queue.LifoQueue,
    queue.PriorityQueue,
    queue.Queue,
)
_STATE = ("_flag", "_value", "_state", "_count", "_locked")


class Synchronizers:
    """Names them in reports, and lets every run begin with them as they were.

    What is in a queue is the job's business, and stays: a store may hold it.

    Args:
        places: Closures and objects' attributes, by name, besides the globals of the project's modules.
    """

    def __init__(self, places: Iterable[MutableMapping[str, Any]]) -> None:
        self._named: dict[int, tuple[str, Any]] = {}
        for place in (*places, *_project_globals()):
            for name, value in list(place.items()):
                if type(value) in _KINDS:
                    self._named.setdefault(id(value), (name, value))
        known = [value for _, value in self._named.values()]
        known += [part for value in known for part in vars(value).values() if type(part) in TASK_KINDS]
        self._before = [(value, _state(value)) for value in known]

    def name(self, condition: threading.Condition) -> str:
        """What a worker waits for that waits for a condition, which may be part of something larger."""
        for name, value in self._named.values():
            if value is condition or any(part is condition for part in vars(value).values()):
                return f"{_kind(value)}:{name}"
        return "a condition that the project has no name for"

    def restore(self, *kinds: type) -> None:
        """As they were in the beginning: all, or those of some kinds."""
        for value, state in self._before:
            if not kinds or isinstance(value, kinds):
                vars(value).update(state)

    def unbind(self) -> None:
        """Those for tasks may be used in another event loop, as soon as theirs is closed."""
        for value, _ in self._before:
            if type(value) in TASK_KINDS and value._loop is not None and value._loop.is_closed():  # noqa: SLF001
                value._loop = None  # noqa: SLF001 - as after a restart of the process, which is what this stands for


def _state(value: object) -> dict[str, Any]:
    return {name: state for name, state in vars(value).items() if name in _STATE}


def _kind(value: object) -> str:
    return type(value).__name__.lower()


def _project_globals() -> list[dict[str, Any]]:
    """The namespaces of the project's modules that hold an object of exactly one of these kinds."""
    wanted = frozenset(_KINDS)
    return [namespace for namespace in loaded().project if not wanted.isdisjoint(map(type, namespace.values()))]
