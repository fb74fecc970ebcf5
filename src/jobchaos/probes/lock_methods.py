"""Lock methods: those of `threading`'s locks, replaced wherever the locks are kept.

Problem: locks are objects of C, whose methods cannot be replaced by assignment. Stand-ins for locks would have to be
put wherever one is kept, and would hide it from whoever looks for locks and compares what is found.

Solution: the methods are replaced in the dictionary of their type, which the garbage collector tells. The locks stay
what they are.
"""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Mapping
from typing import Any

from jobchaos.probes.base import Patches

KINDS: tuple[Any, ...] = (type(threading.Lock()), type(threading.RLock()))
"""The types of the locks."""
NEVER = -1.0
"""The timeout of who waits for ever."""


def replace_methods(patches: Patches, kind: type, methods: Mapping[str, object]) -> None:
    """Give a type other methods until `patches` are undone.

    Args:
        patches: Where to note what to put back.
        kind: One of `KINDS`.
        methods: By name; the type has all of these names.
    """
    (present,) = gc.get_referents(vars(kind))
    genuine = {name: present[name] for name in methods}

    def put(those: Mapping[str, object]) -> None:
        before = {name: present[name] for name in those}
        present.update(those)
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))  # or callers would still see the ones before
        before.clear()  # not earlier: Python's cache of methods owns none, and another thread may look there

    put(methods)
    patches.on_undo(lambda: put(genuine))


def replace_in_conditions(patches: Patches) -> None:
    """Let conditions use their locks' present methods: each keeps those that it has looked up when it was made."""
    for name in ("acquire", "release"):
        patches.put(threading.Condition, name, _Present(name))


class _Present:
    """An attribute of a condition that comes before what the condition keeps itself."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, condition: Any, kind: type) -> Any:
        return self if condition is None else getattr(vars(condition)["_lock"], self._name)

    def __set__(self, condition: Any, method: object) -> None:
        vars(condition)[self._name] = method
