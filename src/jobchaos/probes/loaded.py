"""Loaded: the modules that there are, sorted once. Each check asks for them, and there are hundreds."""

from __future__ import annotations

import itertools
import sys
import types
from dataclasses import dataclass
from typing import Any

from jobchaos.core.project import is_project_file

_NOT_OURS_TO_CHANGE = frozenset({"jobchaos", *sys.stdlib_module_names}) - {"__main__"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The modules that are loaded at a time.

    Attributes:
        number: Tells this value apart from later ones.
        names: Of all.
        namespaces: By name, of those that are neither the standard library's nor jobchaos's.
        project: The namespaces of the project's own.
    """

    number: int
    names: frozenset[str]
    namespaces: dict[str, dict[str, Any]]
    project: tuple[dict[str, Any], ...]


def loaded() -> Loaded:
    """The modules that are loaded now; the same value again while they are the same."""
    known, value = _last[0]
    if sys.modules != known:
        present = dict(sys.modules)
        value = _sorted(present)
        _last[0] = present, value
    return value


def _sorted(modules: dict[str, Any]) -> Loaded:
    # Through __dict__, not getattr: a lazy module must not load because we look at it.
    every = {name: module.__dict__ for name, module in modules.items() if isinstance(module, types.ModuleType)}
    return Loaded(
        next(_numbers),
        frozenset(modules),
        {name: space for name, space in every.items() if name.partition(".")[0] not in _NOT_OURS_TO_CHANGE},
        tuple(space for space in every.values() if is_project_file(space.get("__file__") or "<built-in>")),
    )


_numbers = itertools.count(1)
_last: list[tuple[dict[str, Any], Loaded]] = [({}, Loaded(0, frozenset(), {}, ()))]
