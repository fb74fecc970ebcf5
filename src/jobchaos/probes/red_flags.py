"""RedFlagProbe: sees red flags that leave nothing behind: log records, and calls of a function."""

from __future__ import annotations

import functools
import importlib
import logging
import sys
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from jobchaos.core.ports import Control
from jobchaos.core.red_flag import RedFlag
from jobchaos.errors import UsageError
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.bindings import Bindings


class RedFlagProbe(BaseProbe):
    """Watches for one red flag, of the kinds `log` and `call`.

    Args:
        flag: The red flag.
        places: What the job's code knows by name: where else the function may be found.
        bindings: Finds other names of the function in loaded modules.
    """

    def __init__(self, flag: RedFlag, places: Sequence[MutableMapping[str, Any]], bindings: Bindings) -> None:
        self._flag = flag
        self._places = places
        self._bindings = bindings
        self._patches = Patches()
        self._swapped: list[tuple[MutableMapping[str, Any], str, Any]] = []
        self._control: Control | None = None

    def install(self, control: Control) -> None:
        """See `Probe.install`.

        Raises:
            UsageError: If the function cannot be found.
        """
        self._control = control
        if self._flag.kind == "log":
            self._patches.set(logging.Logger, "handle", self._handling(logging.Logger.handle))
            return
        owner, name = _owner(self._flag)
        function = self._flag.function or getattr(owner, name)
        counted = self._counting(function)
        if owner is not None:
            is_bound = isinstance(vars(owner)[name], staticmethod | classmethod)
            self._patches.set(owner, name, staticmethod(counted) if is_bound else counted)
        self._bindings.replace(function, counted)
        for place in self._places:
            for key in [key for key in place if place[key] is function]:
                self._swapped.append((place, key, function))
                place[key] = counted

    def remove(self) -> None:
        """See `Probe.remove`."""
        for place, key, function in self._swapped:
            place[key] = function
        self._swapped.clear()
        self._patches.undo()
        self._control = None

    def _handling(self, genuine: Callable[[logging.Logger, logging.LogRecord], None]) -> Callable[..., None]:
        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            if record.levelno >= self._flag.level and f"{record.name}.".startswith(_prefix(self._flag.where)):
                self._raised(f"{record.levelname} {record.name}: {record.getMessage()}")
            genuine(logger, record)

        return handle

    def _counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._raised(f"{self._flag.where}()")
            return function(*args, **kwargs)

        return counted

    def _raised(self, what: str) -> None:
        worker = None if self._control is None else self._control.current()
        if worker is not None:
            worker.flag(what)


def _prefix(logger: str) -> str:
    return f"{logger}." if logger else ""


def _owner(flag: RedFlag) -> tuple[Any, str]:
    """The module or class that the function is an attribute of; None if it is local to another function."""
    function = flag.function
    if function is None:
        path, _, name = flag.where.rpartition(".")
        owner = _imported(path, flag)
        if not callable(vars(owner).get(name)):
            raise UsageError(f"the red flag is a call of {flag.where}, but {path} has no function {name}")
        return owner, name
    module, qualified = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    path, _, name = qualified.rpartition(".")
    owner = sys.modules.get(module)
    for part in filter(None, path.split(".")):
        owner = getattr(owner, part, None)
    found = owner is not None and vars(owner).get(name) is function
    return (owner, name) if found else (None, "")


def _imported(path: str, flag: RedFlag) -> Any:
    """A module, or a class in one."""
    try:
        return importlib.import_module(path)
    except ImportError:
        module, _, name = path.rpartition(".")
        if module:
            owner = getattr(importlib.import_module(module), name, None)
            if owner is not None:
                return owner
    raise UsageError(f"the red flag is a call of {flag.where}, but there is no module or class {path}")
