"""Bindings: names in other modules under which a function was imported before it was replaced."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterable
from typing import Any

from jobchaos.core.ports import Control
from jobchaos.core.project import is_project_file
from jobchaos.probes.base import BaseProbe

_SKIPPED = frozenset({"jobchaos", *sys.stdlib_module_names}) - {"__main__"}
_identity = object.__hash__
"""As good as `id` to tell objects apart. Ids are multiples of 16, which collide in a set so much that it is four times
as slow; this is the id without those bits."""


class Bindings(BaseProbe):
    """Replaces functions wherever a loaded module has them as globals: `from sqlite3 import connect`.

    The other probes say what to replace; this one is installed after them, and searches all modules once. Modules of
    the standard library and of jobchaos keep the originals. References in classes, containers and closures are not
    found.
    """

    def __init__(self) -> None:
        self._replacements: dict[int, tuple[Any, Any]] = {}
        self._places: list[tuple[dict[str, Any], str, Any]] = []
        self._searched: set[str] = set()

    def replace(self, original: Any, replacement: Any) -> None:
        """Ask for a replacement, before `install`."""
        self._replacements[id(original)] = original, replacement

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._searched = set(sys.modules)
        originals = frozenset(_identity(original) for original, _ in self._replacements.values())
        barren = _barren(originals)
        for module, namespace in _namespaces(self._searched):
            key = module, id(namespace), len(namespace)
            if key in barren:
                continue
            if originals.isdisjoint(map(_identity, namespace.values())):  # ten times faster than to look at each
                if not is_project_file(namespace.get("__file__") or "<built-in>"):
                    barren.add(key)
                continue
            for name, value in list(namespace.items()):
                if id(value) in self._replacements:
                    original, replacement = self._replacements[id(value)]
                    self._places.append((namespace, name, original))
                    namespace[name] = replacement

    def remove(self) -> None:
        """See `Probe.remove`: also for modules that were first imported by the job."""
        originals = {id(replacement): original for original, replacement in self._replacements.values()}
        for _, namespace in _namespaces(set(sys.modules) - self._searched):
            self._places += [
                (namespace, name, originals[id(value)]) for name, value in namespace.items() if id(value) in originals
            ]
        for namespace, name, original in self._places:
            if id(namespace.get(name)) in originals:  # else the job has bound the name anew
                namespace[name] = original
        self._places.clear()
        self._replacements.clear()


@functools.lru_cache(maxsize=4)
def _barren(_originals: frozenset[int]) -> set[tuple[str, int, int]]:
    """Installed modules that were found to have none of the originals: nobody binds their globals anew.

    By name, place and size of their namespaces. There are hundreds, and to search them takes as long as several runs.
    """
    return set()


def _namespaces(names: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    modules = ((name, sys.modules.get(name)) for name in names if name.partition(".")[0] not in _SKIPPED)
    # Through __dict__, not getattr: a lazy module must not load because we look at it.
    return [(name, module.__dict__) for name, module in modules if isinstance(module, types.ModuleType)]
