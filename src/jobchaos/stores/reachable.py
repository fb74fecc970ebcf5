"""Reachable state: the mutable objects of this process that a job's code refers to by name."""

from __future__ import annotations

import functools
import itertools
import opcode
import sys
import types
from array import array
from collections import UserDict, UserList, deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any

from jobchaos.core.ports import Store
from jobchaos.core.project import is_project_file
from jobchaos.stores.attributes import has_attributes
from jobchaos.stores.caches import CacheStore, is_cached
from jobchaos.stores.cells import Cells
from jobchaos.stores.class_attributes import ClassAttributes, is_projects_class
from jobchaos.stores.memory import MemoryStore, NamespaceStore, can_change

_REBINDING = frozenset(opcode.opmap[name] for name in ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF"))
_SETTING = opcode.opmap["STORE_ATTR"]
_CONTAINERS = (dict, list, set, deque, bytearray, array, UserDict, UserList, types.SimpleNamespace)


def reachable(*jobs: Callable[..., Any]) -> list[Store]:
    """Stores for the memory that jobs can change, for jobs that touch nothing outside the process.

    Looked at are the object of a bound method, a callable object, the default arguments, the closure, and the globals
    that the code names: containers, the project's own classes and their instances, functions that remember their calls
    or have attributes, and names that the code rebinds; of a decorated function those of the wrapper and of what it
    wraps. Objects behind those are captured with them; what other functions of the project refer to on their own is
    not. What several jobs share is captured once.
    """
    named: dict[int, tuple[str, object]] = {}
    used: list[tuple[MutableMapping[str, Any], list[str]]] = []
    rebound: dict[int, tuple[MutableMapping[str, Any], str, set[str]]] = {}
    for part in itertools.chain.from_iterable(map(_parts, jobs)):
        if not isinstance(part, types.FunctionType):
            named.setdefault(id(part), (type(part).__name__, part))
            continue
        named.update({id(value): (name, value) for name, value in _defaults(part) if _is_state(value)})
        for namespace, names in _namespaces(part):
            used.append((namespace, names))
            named.update({id(value): (name, value) for name, value in _of_functions(part, namespace, names)})
            changed = _rebound(part).intersection(names)
            if changed:
                rebound.setdefault(id(namespace), (namespace, part.__module__, set()))[2].update(changed)
    for namespace, names in used:
        kept = rebound[id(namespace)][2] if id(namespace) in rebound else ()
        for name in names:
            if name not in kept and _is_state(namespace.get(name)):
                named.setdefault(id(namespace[name]), (name, namespace[name]))
    stores: list[Store] = [NamespaceStore(space, sorted(names), name=name) for space, name, names in rebound.values()]
    stores += [MemoryStore(value, name=name) for name, value in named.values()]
    stores += _of_classes(space.get(name) for space, names in used for name in names)
    caches = {id(space[name]): (space[name], name) for space, names in used for name in names if name in space}
    return stores + [CacheStore(value, name=name) for value, name in caches.values() if is_cached(value)]


def _of_classes(values: Iterable[object]) -> Iterator[Store]:
    for owner in dict.fromkeys(value for value in values if isinstance(value, type) and is_projects_class(value)):
        attributes = ClassAttributes(owner)
        state = [name for name, value in attributes.items() if _is_plain(value) or _is_state(value)]
        if kept := [name for name in state if not name.startswith("__")]:
            yield NamespaceStore(attributes, kept, name=owner.__name__)


def places(job: Callable[..., Any]) -> Iterator[MutableMapping[str, Any]]:
    """What a job's code knows by name: closures, globals, and the attributes of the project's objects behind them."""
    known: set[int] = set()
    waiting: list[object] = []
    for part in _parts(job):
        if not isinstance(part, types.FunctionType):
            waiting.append(part)
            continue
        for namespace, names in _namespaces(part):
            yield namespace
            waiting += [namespace[name] for name in names if name in namespace]
    while waiting:
        value = waiting.pop()
        if id(value) not in known and hasattr(value, "__dict__") and _is_state(value):
            known.add(id(value))
            yield vars(value)
            waiting += vars(value).values()


def _parts(job: Any) -> Iterator[object]:
    """The functions that a job is made of, and the objects that they are bound to."""
    waiting, known = [job], set[int]()
    while waiting:
        part = waiting.pop()
        if isinstance(part, types.MethodType):
            if can_change(part.__self__):
                yield part.__self__
            part = part.__func__
        if id(part) in known:
            continue
        known.add(id(part))
        call = getattr(type(part), "__call__", None)  # noqa: B004 - not whether, but what
        if isinstance(part, functools.partial):
            waiting.append(part.func)
        elif isinstance(part, types.FunctionType):
            yield part
        elif isinstance(call, types.FunctionType):
            waiting.append(types.MethodType(call, part))
        if callable(getattr(part, "__wrapped__", None)):
            waiting.append(part.__wrapped__)


def _namespaces(function: types.FunctionType) -> Iterator[tuple[MutableMapping[str, Any], list[str]]]:
    """Closure and globals, each with the names that the code uses."""
    code = function.__code__
    yield Cells(function), list(code.co_freevars)
    yield function.__globals__, sorted({name for inner in _codes(code) for name in inner.co_names})


def _defaults(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """The default arguments, which calls share."""
    code, values = function.__code__, function.__defaults__ or ()
    yield from zip(code.co_varnames[code.co_argcount - len(values) : code.co_argcount], values, strict=True)
    yield from (function.__kwdefaults__ or {}).items()


def _of_functions(
    user: types.FunctionType, namespace: MutableMapping[str, Any], names: Iterable[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The attributes of the project's functions, if the code that names them sets any."""
    if _SETTING in user.__code__.co_code[::2]:
        for name in names:
            value = namespace.get(name)
            if type(value) is types.FunctionType and is_project_file(value.__code__.co_filename):
                yield name, vars(value)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _rebound(function: types.FunctionType) -> frozenset[str]:
    """Names of globals and of the closure that the code assigns to."""
    names: set[str] = set()
    for code in _codes(function.__code__):
        if not _REBINDING.isdisjoint(code.co_code[::2]):
            import dis  # slow, and few jobs rebind anything

            names.update(
                instruction.argval for instruction in dis.get_instructions(code) if instruction.opcode in _REBINDING
            )
    return frozenset(names).difference(function.__code__.co_cellvars)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, int | float | str | bytes)


def _is_state(value: object) -> bool:
    if isinstance(value, _CONTAINERS):
        return True
    if not can_change(value) or not has_attributes(value):
        return False
    module = sys.modules.get(type(value).__module__)
    return is_project_file(getattr(module, "__file__", None) or "<unknown>")
