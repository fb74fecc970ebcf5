"""References to real time functions that freezegun does not find, because they are not global names of a module.

Most can be replaced where they are; the others can at least be named.
"""

from __future__ import annotations

import functools
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import freezegun.api

from jobchaos.clock.methods import CLASSES, Place, in_partial, kept_methods, name_of
from jobchaos.core.project import is_project_file

_FUNCTIONS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime")
_GENUINE = {id(getattr(freezegun.api, f"real_{name}")): f"time.{name}" for name in _FUNCTIONS}
_GENUINE[id(time.sleep)] = "time.sleep"
_BASES = (freezegun.api.real_datetime, freezegun.api.real_date)
_LIBRARIES = frozenset({"sched", "kombu.asynchronous.timer"})
"""Modules that are not the project's, and keep clocks in default arguments: the latter puts off Celery's countdowns."""
_Found = tuple[str, Any, Place | None]
"""Dotted name, what it keeps, and where."""


@dataclass(frozen=True, slots=True)
class Held:
    """A real time function, or a class of `datetime`, that is kept somewhere.

    Attributes:
        where: `shop.Invoice.created`.
        clock: What it is: `time.time`.
        genuine: It.
        place: Where another one can be put; None if it can be put nowhere.
    """

    where: str
    clock: str
    genuine: Any
    place: Place | None

    def __str__(self) -> str:
        return f"{self.where} keeps {self.clock}"

    @property
    def can_be_replaced(self) -> bool:
        """True if virtual time can be shown there, too."""
        return self.place is not None

    def show(self) -> Callable[[], None]:
        """Put in its place what goes by its name now, while time is virtual; return what undoes that."""
        if self.place is None or self.place.get() is not self.genuine:
            return _nothing
        get, put = self.place
        module, *names = self.clock.split(".")
        shown = functools.reduce(getattr, names, sys.modules[module])
        put(shown)

        def undo() -> None:
            if get() is shown:  # else the job has put another one there
                put(self.genuine)

        return undo


def held_clocks(modules: Iterable[str]) -> list[Held]:
    """Where real time functions are kept: `shop.Invoice.created keeps time.time`.

    Looked at are the attributes of classes and of the project's objects, default arguments, and containers, one level
    deep, of some modules and of all modules of the project that these use.

    Args:
        modules: Names of the modules to begin with.
    """
    return [
        Held(f"{name}.{where}", clock, value, place)
        for name, module in sorted(_used(modules).items())
        for attribute, kept in list(vars(module).items())
        if not attribute.startswith("__") and _belongs(kept, name)
        for where, value, place in _inside(attribute, kept)
        if (clock := _name_of(value))
    ]


def all_held_clocks(modules: Iterable[str]) -> list[Held]:
    """The same, and those of libraries, and methods of `datetime` wherever they are kept; see `held_clocks`."""
    kept = (Held("an object", name_of(method), method, place) for method, place in kept_methods())
    return [*held_clocks([*modules, *_LIBRARIES]), *kept]


def _used(modules: Iterable[str]) -> dict[str, types.ModuleType]:
    found: dict[str, types.ModuleType] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if name in found or not isinstance(module, types.ModuleType):
            continue
        if name in _LIBRARIES or is_project_file(vars(module).get("__file__") or "<built-in>"):
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


def _inside(name: str, value: Any) -> Iterator[_Found]:
    """What may be a clock, of all that a global keeps."""
    if isinstance(value, types.FunctionType):
        yield from _defaults(name, value)
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        found = [(name, item, _item(value, key)) for key, item in items]
        yield from (one for one in found if id(one[1]) not in CLASSES)  # a table of types reads no time
    elif isinstance(value, tuple | set | frozenset):
        yield from ((name, item, None) for item in value if id(item) not in CLASSES)
    elif isinstance(value, type):
        for attribute, inner in list(vars(value).items()):
            yield from _of_class(value, attribute, inner, f"{name}.{attribute}")
        if issubclass(value, _BASES):
            yield f"{name} (as its base)", next(base for base in value.__mro__ if base in _BASES), None
    elif is_project_file(_file_of(type(value))):
        own = getattr(value, "__dict__", {})
        yield from ((f"{name}.{attribute}", inner, _item(own, attribute)) for attribute, inner in list(own.items()))
    elif isinstance(value, functools.partial):
        yield name, value.func, in_partial(value)


def _of_class(owner: type, attribute: str, value: Any, name: str) -> Iterator[_Found]:
    if attribute == "__dataclass_fields__":
        for field in value.values():
            place = _cell(owner.__init__, field.default_factory)  # type: ignore[misc]  # whatever it is
            yield f"{name.removesuffix(attribute)}{field.name}", field.default_factory, place
    elif isinstance(value, staticmethod | classmethod):
        wrap, inner = type(value), value.__func__
        if isinstance(inner, types.FunctionType):
            yield from _defaults(name, inner)
        get = functools.partial(_unwrapped, owner, attribute)
        yield name, inner, Place(get, lambda new: setattr(owner, attribute, wrap(new)))
    elif isinstance(value, types.FunctionType):
        yield from _defaults(name, value)
    else:
        get = functools.partial(vars(owner).get, attribute)
        yield name, value, Place(get, functools.partial(setattr, owner, attribute))


def _unwrapped(owner: type, attribute: str) -> Any:
    return getattr(vars(owner).get(attribute), "__func__", None)


def _defaults(name: str, function: types.FunctionType) -> Iterator[_Found]:
    defaults, code = function.__defaults__ or (), function.__code__
    positional = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    for position, (argument, default) in enumerate(zip(positional, defaults, strict=True)):
        yield f"{name}({argument}=)", default, _default(function, position)
    keywords = function.__kwdefaults__ or {}
    for argument, default in keywords.items():
        yield f"{name}({argument}=)", default, _item(keywords, argument)


def _default(function: types.FunctionType, position: int) -> Place:
    def put(new: Any) -> None:
        before = function.__defaults__ or ()
        function.__defaults__ = (*before[:position], new, *before[position + 1 :])

    return Place(lambda: (function.__defaults__ or ())[position], put)


def _item(container: Any, key: Any) -> Place:
    def get() -> Any:
        try:
            return container[key]
        except LookupError:
            return None

    return Place(get, functools.partial(container.__setitem__, key))


def _cell(function: Any, value: Any) -> Place | None:
    """Where the generated `__init__` of a dataclass keeps a factory."""
    cells = (cell for cell in getattr(function, "__closure__", None) or () if cell.cell_contents is value)
    cell = next(cells, None)
    return cell and Place(lambda: cell.cell_contents, functools.partial(setattr, cell, "cell_contents"))


def _name_of(value: Any) -> str:
    """`time.time`, of a real time function or class; empty for anything else."""
    return name_of(value) or _GENUINE.get(id(value)) or CLASSES.get(id(value), "")


def _nothing() -> None:
    pass


def _file_of(kind: type) -> str:
    return getattr(sys.modules.get(kind.__module__), "__file__", None) or "<built-in>"
