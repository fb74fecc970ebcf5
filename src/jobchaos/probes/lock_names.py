"""LockNames: what the project calls the locks that its jobs take."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any

from jobchaos.core.project import is_ours, is_project_file
from jobchaos.probes.loaded import loaded
from jobchaos.probes.lock_methods import KINDS
from jobchaos.probes.logs import handlers

_PASSING = frozenset({"contextlib", "functools", "logging"})  # modules that take locks on behalf of who calls them
_BELOW = frozenset({"jobchaos", "threading", "queue", "importlib", "_frozen_importlib"})
_MOST = 100  # searches in vain in one check, each of which takes a part of a millisecond


class LockNames:
    """They are looked for when they are taken: many jobs take none, and some make theirs while they run.

    Looked through are the globals of the project's modules, handlers of logs, and the places given. A lock that cannot
    be found there has no name: no other copy gets hold of it.

    Args:
        places: Gives closures, objects' attributes and the like, by name.
    """

    def __init__(self, places: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        self._places = places
        self._known: dict[int, tuple[object, str]] = {}  # which keeps them, or another could get the id of one
        self._has_looked = False
        self._in_vain = 0

    def of(self, lock: Any, taker: FrameType | None) -> str:
        """The resource path of a lock: `lock:state`; empty if it has no name.

        Args:
            lock: What is taken.
            taker: Who takes it, see `taker_of`.
        """
        if taker is None:
            return ""
        known = self._known.get(id(lock))
        if known is not None:
            return known[1]
        if not self._has_looked or (self._in_vain < _MOST and is_project_file(taker.f_code.co_filename)):
            self._look()
        name = self._known.setdefault(id(lock), (lock, ""))[1]
        self._in_vain += not name
        return name

    def has_none(self, lock: Any) -> bool:
        """True if it is known by now that a lock has no name."""
        known = self._known.get(id(lock))
        return known is not None and not known[1]

    def _look(self) -> None:
        self._has_looked = True
        for place in (*loaded().project, *self._places(), *handlers()):
            for name, value in list(place.items()):
                if type(value) in KINDS and not self._known.get(id(value), (None, ""))[1]:
                    self._known[id(value)] = value, f"lock:{name}"


def taker_of(frame: FrameType) -> FrameType | None:
    """Whose lock it is that a frame takes; None for what Python and jobchaos themselves are built on."""
    name = frame.f_globals.get("__name__")
    if name not in _PASSING:
        return None if _is_below(str(name)) else frame
    taker: FrameType | None = frame
    while taker is not None and (taker.f_globals.get("__name__") in _PASSING or is_ours(taker.f_code.co_filename)):
        taker = taker.f_back
    return taker


@functools.lru_cache(maxsize=1024)
def _is_below(module: str) -> bool:
    return module.partition(".")[0] in _BELOW
