"""References to real time functions that freezegun does not find, because they are not global names of a module."""

from __future__ import annotations

import functools
import sys
import time
import types
from collections.abc import Iterable, Iterator
from typing import Any

import freezegun.api

from jobchaos.core.project import is_project_file

_FUNCTIONS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime")
_GENUINE = {id(getattr(freezegun.api, f"real_{name}")): f"time.{name}" for name in _FUNCTIONS}
_GENUINE[id(time.sleep)] = "time.sleep"
_CLASSES = {id(freezegun.api.real_datetime): "datetime.datetime", id(freezegun.api.real_date): "datetime.date"}
_METHODS = ("now", "utcnow", "today")


def held_clocks(modules: Iterable[str]) -> list[str]:
    """Where real time functions are kept: `shop.Invoice.created keeps time.time`.

    Looked at are the attributes of classes and of the project's objects, default arguments, and containers, one level
    deep, of some modules and of all modules of the project that these use.

    Args:
        modules: Names of the modules to begin with.
    """
    return [
        f"{name}.{where} keeps {clock}"
        for name, module in sorted(_used(modules).items())
        for attribute, value in list(vars(module).items())
        if not attribute.startswith("__") and _belongs(value, name)
        for where, clock in _inside(attribute, value)
    ]


def _used(modules: Iterable[str]) -> dict[str, types.ModuleType]:
    found: dict[str, types.ModuleType] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if name in found or not isinstance(module, types.ModuleType):
            continue
        if is_project_file(vars(module).get("__file__") or "<built-in>"):
            found[name] = module
            waiting += [_home(value) for value in list(vars(module).values())]
    return found


def _home(value: object) -> str:
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, type | types.FunctionType):
        return value.__module__ or ""
    return type(value).__module__


def _belongs(value: object, module: str) -> bool:
    """False for what is only imported: it is told of where it was made."""
    return not isinstance(value, type | types.FunctionType) or value.__module__ == module


def _inside(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Dotted name and clock, for each one that a global keeps."""
    if isinstance(value, types.FunctionType):
        for argument, default in _defaults(value):
            yield from _clock(f"{name}({argument}=)", default)
    elif isinstance(value, dict | list | tuple | set | frozenset):
        for item in list(value.values()) if isinstance(value, dict) else list(value):
            if id(item) not in _CLASSES:  # a table of types reads no time
                yield from _clock(name, item)
    elif isinstance(value, type) or is_project_file(_file_of(type(value))):
        for attribute, inner in list(getattr(value, "__dict__", {}).items()):
            yield from _attribute(f"{name}.{attribute}", inner)
    elif isinstance(value, functools.partial):
        yield from _clock(name, value.func)


def _attribute(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if name.endswith(".__dataclass_fields__"):
        for field in value.values():
            yield from _clock(f"{name.removesuffix('.__dataclass_fields__')}.{field.name}", field.default_factory)
    elif isinstance(value, staticmethod | classmethod):
        yield from _attribute(name, value.__func__)
    elif isinstance(value, types.FunctionType):
        yield from _inside(name, value)
    else:
        yield from _clock(name, value)


def _defaults(function: types.FunctionType) -> list[tuple[str, Any]]:
    defaults = function.__defaults__ or ()
    code = function.__code__
    positional = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    return [*zip(positional, defaults, strict=True), *(function.__kwdefaults__ or {}).items()]


def _clock(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, types.BuiltinMethodType) and id(value.__self__) in _CLASSES and value.__name__ in _METHODS:
        yield name, f"{_CLASSES[id(value.__self__)]}.{value.__name__}"
    elif id(value) in _GENUINE or id(value) in _CLASSES:
        yield name, _GENUINE.get(id(value)) or _CLASSES[id(value)]


def _file_of(kind: type) -> str:
    return getattr(sys.modules.get(kind.__module__), "__file__", None) or "<built-in>"
