"""Bindings: names in other modules under which a function was imported before it was replaced."""

from __future__ import annotations

import functools
from typing import Any

from jobchaos.core.ports import Control
from jobchaos.core.project import is_project_file
from jobchaos.probes.base import BaseProbe
from jobchaos.probes.loaded import Loaded, loaded

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
        self._searched: Loaded | None = None

    def replace(self, original: Any, replacement: Any) -> None:
        """Ask for a replacement, before `install`."""
        self._replacements[id(original)] = original, replacement

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._searched = loaded()
        originals = frozenset(_identity(original) for original, _ in self._replacements.values())
        for namespace in _search_for(originals).places(self._searched):
            for name, value in list(namespace.items()):
                if id(value) in self._replacements:
                    original, replacement = self._replacements[id(value)]
                    self._places.append((namespace, name, original))
                    namespace[name] = replacement

    def remove(self) -> None:
        """See `Probe.remove`: also for modules that were first imported by the job."""
        originals = {id(replacement): original for original, replacement in self._replacements.values()}
        for namespace in self._namespaces_of_new_modules():
            self._places += [
                (namespace, name, originals[id(value)]) for name, value in namespace.items() if id(value) in originals
            ]
        for namespace, name, original in self._places:
            if id(namespace.get(name)) in originals:  # else the job has bound the name anew
                namespace[name] = original
        self._places.clear()
        self._replacements.clear()

    def _namespaces_of_new_modules(self) -> list[dict[str, Any]]:
        now, before = loaded(), self._searched
        if before is None or now is before:
            return []
        return [namespace for name, namespace in now.namespaces.items() if name not in before.names]


class _Search:
    """Where some originals are bound to names.

    Nobody binds the globals of installed modules anew, so they are remembered: to search all takes as long as several
    runs.

    Args:
        originals: The identities of what is looked for.
    """

    def __init__(self, originals: frozenset[int]) -> None:
        self._originals = originals
        self._barren: set[tuple[str, int, int]] = set()  # by name, place and size of their namespaces
        self._number = 0
        self._sizes: list[int] = []
        self._fertile: list[dict[str, Any]] = []

    def places(self, modules: Loaded) -> list[dict[str, Any]]:
        """The namespaces that hold any."""
        sizes = list(map(len, modules.namespaces.values()))
        if modules.number != self._number or sizes != self._sizes:
            self._number, self._sizes = modules.number, sizes
            keys = zip(modules.namespaces, map(id, modules.namespaces.values()), sizes, strict=True)
            named = zip(keys, modules.namespaces.values(), strict=True)
            self._fertile = [space for key, space in named if not self._is_barren(key, space)]
        return [space for space in self._fertile if self._holds_any(space)]

    def _is_barren(self, key: tuple[str, int, int], namespace: dict[str, Any]) -> bool:
        if key not in self._barren and not is_project_file(namespace.get("__file__") or "<built-in>"):
            if self._holds_any(namespace):
                return False
            self._barren.add(key)
        return key in self._barren

    def _holds_any(self, namespace: dict[str, Any]) -> bool:
        # Ten times faster than to look at each.
        return not self._originals.isdisjoint(map(_identity, namespace.values()))


_search_for = functools.lru_cache(maxsize=4)(_Search)
