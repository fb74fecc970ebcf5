"""Attributes: what an object keeps by name, in its `__dict__` and its slots."""

from __future__ import annotations

import contextlib
import types
from typing import Any

_OURS = "jobchaos."
_TESTERS = frozenset({"_pytest", "pluggy", "hypothesis", "xdist"})
_UNITTESTS = frozenset({"unittest.case", "unittest.suite", "unittest.result", "unittest.runner"})  # and not its mocks
_CLIENTS = frozenset({"sqlalchemy", "psycopg", "psycopg_pool", "psycopg2", "asyncpg", "pymysql", "aiosqlite", "redis"})


def attributes_of(value: Any) -> dict[str, Any]:
    """The attributes that an object keeps, by name; empty for values without any."""
    if _is_apart(type(value)):
        return {}
    return slots_in_use(value) | dict(getattr(value, "__dict__", {}))


def has_attributes(value: Any) -> bool:
    """True if it can keep some, also if it keeps none now."""
    return not _is_apart(type(value)) and (hasattr(value, "__dict__") or bool(slots_of(type(value))))


def _is_apart(kind: type) -> bool:
    """True for what is no part of a job's state, and leads to everything.

    Connections and locks of ours that a job keeps lead to the whole engine; a `TestCase`, or a fixture, in a job's
    closure leads to the whole test session. Clients of servers know which of their connections are open, and would
    take up closed ones if they were put back.
    """
    if kind.__module__.partition(".")[0] in _TESTERS | _CLIENTS or kind.__module__ in _UNITTESTS:
        return True
    return any(base.__module__.startswith(_OURS) for base in kind.__mro__)


def slots_in_use(value: Any) -> dict[str, Any]:
    """The slots of an object that hold anything, without asking `__getattr__`, which may make what is not there."""
    found = {}
    for name in slots_of(type(value)):
        with contextlib.suppress(AttributeError):
            found[name] = object.__getattribute__(value, name)
    return found


def slots_of(kind: type) -> list[str]:
    """The names of a class's slots, inherited ones included, as its instances know them."""
    names: list[str] = []
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        names += [_mangled(name, base) for name in ([slots] if isinstance(slots, str) else slots)]
    return [name for name in names if name not in ("__dict__", "__weakref__") and _is_slot(kind, name)]


def _is_slot(kind: type, name: str) -> bool:
    """False if a subclass has put something else under that name, as pathlib does."""
    found = next(base.__dict__[name] for base in kind.__mro__ if name in base.__dict__)
    return isinstance(found, types.MemberDescriptorType)


def _mangled(name: str, base: type) -> str:
    owner = base.__name__.lstrip("_")
    return f"_{owner}{name}" if owner and name.startswith("__") and not name.endswith("__") else name
