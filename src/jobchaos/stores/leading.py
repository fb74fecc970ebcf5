"""Leading: where the project keeps things by name, as far as a job's code leads."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from jobchaos.core.project import is_project_file
from jobchaos.stores.cells import Cells
from jobchaos.stores.class_attributes import ClassAttributes

Place = MutableMapping[str, Any]

_MOST = 20_000  # things that are looked at, in a few milliseconds
_LONG = 1_000  # what is in a larger container is data
_ENDS = frozenset({types.NoneType, bool, int, float, complex, str, bytes, object})
_SEQUENCES = (list, tuple, set, frozenset, deque)


def led_to(*jobs: Callable[..., Any]) -> Iterator[Place]:
    """The globals, closures, dictionaries, and attributes of the project's classes and objects, that jobs lead to.

    A job leads to all that its module knows, and so do the project's functions, classes and modules that are found
    there. Nothing is asked of any object, as it might wake up: types decide.
    """
    known: dict[int, object] = {}  # which keeps them, or another could get the id of one
    entered: dict[int, Place] = {}
    waiting: list[object] = list(jobs)
    while waiting and len(known) < _MOST:
        thing = waiting.pop()
        if type(thing) in _ENDS or id(thing) in known:
            continue
        known[id(thing)] = thing
        further, *places = _inside(thing)
        waiting += further
        for place in places:
            if id(place) not in entered:
                entered[id(place)] = place
                yield place
                waiting += itertools.islice(place.values(), _LONG)


def _inside(thing: Any) -> tuple[Any, ...]:
    """What a thing refers to without a name; then the places in which it keeps things by name."""
    kind = type(thing)
    if kind is types.FunctionType:
        wrapped = vars(thing).get("__wrapped__")
        return ([wrapped], thing.__globals__, Cells(thing)) if is_project_file(thing.__code__.co_filename) else ([],)
    if kind is types.ModuleType:
        return ([], vars(thing)) if is_project_file(vars(thing).get("__file__") or "<built-in>") else ([],)
    if kind is types.MethodType or kind in (staticmethod, classmethod):
        return ([thing.__func__, getattr(thing, "__self__", None)],)
    if kind is functools.partial:
        return ([thing.func, *thing.args, *thing.keywords.values()],)
    if kind is property:
        return ([thing.fget],)
    if kind is functools.cached_property:
        return ([thing.func], vars(thing))  # with a lock, before Python 3.12
    if issubclass(kind, dict):
        return ([], thing) if dict.__len__(thing) <= _LONG else ([],)
    if issubclass(kind, _SEQUENCES):
        return (list(itertools.islice(kind.__iter__(thing), _LONG)),)
    if issubclass(kind, type):
        return ([], ClassAttributes(thing)) if _is_projects(thing) else ([],)
    return _of_object(thing) if _is_projects(kind) or kind is types.SimpleNamespace else ([],)


def _of_object(thing: object) -> tuple[Any, ...]:
    with contextlib.suppress(AttributeError):
        return ([type(thing)], object.__getattribute__(thing, "__dict__"))
    return ([type(thing)],)


def _is_projects(kind: type) -> bool:
    module = sys.modules.get(str(type.__getattribute__(kind, "__module__")))
    return is_project_file(getattr(module, "__file__", None) or "<unknown>")
