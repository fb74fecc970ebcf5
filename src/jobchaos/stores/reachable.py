"""Reachable state: the mutable objects of this process that a job's code refers to by name."""

from __future__ import annotations

import functools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from jobchaos.core.ports import Store
from jobchaos.core.project import is_project_file
from jobchaos.stores.memory import MemoryStore, NamespaceStore

_CONTAINERS = (dict, list, set, deque, bytearray)


def reachable(function: Callable[..., Any]) -> list[Store]:
    """Stores for the memory a job can change, for jobs that touch nothing outside the process.

    Looked at are the object of a bound method, the closure, and the globals that the code names: containers, instances
    of the project's own classes, and names that the code rebinds. Objects behind those are captured with them; what
    other functions of the project refer to on their own is not.
    """
    while isinstance(function, functools.partial):
        function = function.func
    stores: list[Store] = []
    if isinstance(function, types.MethodType):
        stores.append(MemoryStore(function.__self__, name=type(function.__self__).__name__))
        function = function.__func__
    if not isinstance(function, types.FunctionType):
        return stores
    for name, value in _closure(function):
        if _is_state(value):
            stores.append(MemoryStore(value, name=name))
    codes = list(_codes(function.__code__))
    rebound = tuple(sorted({name for code in codes for name in _rebound_globals(code)}))
    if rebound:
        stores.append(NamespaceStore(function.__globals__, rebound, name=function.__module__))
    for name in sorted({name for code in codes for name in code.co_names} - set(rebound)):
        if _is_state(function.__globals__.get(name)):
            stores.append(MemoryStore(function.__globals__[name], name=name))
    return stores


def _closure(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _rebound_globals(code: types.CodeType) -> Iterator[str]:
    import dis  # only jobs without visible effects get here

    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield instruction.argval


def _is_state(value: object) -> bool:
    if isinstance(value, _CONTAINERS):
        return True
    if isinstance(value, type | types.ModuleType | types.FunctionType) or not hasattr(value, "__dict__"):
        return False
    module = sys.modules.get(type(value).__module__)
    return is_project_file(getattr(module, "__file__", None) or "<unknown>")
