"""LibraryProbe: watches a library that may not be there, or that the job itself imports first."""

from __future__ import annotations

import abc
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from types import ModuleType

from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe, Patches


class LibraryProbe(BaseProbe, abc.ABC):
    """Imports nothing: it watches the library if it is loaded, or as soon as somebody loads it while a check runs."""

    library: str
    """The module to watch, such as `httpx`; `patches` and `control` are usable once it is there."""

    def __init__(self) -> None:
        self.patches = Patches()
        self.control: Control | None = None
        self._arrival: Arrival | None = None

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self.control = control
        if sys.modules.get(self.library) is not None:
            self.watch()
        else:
            self._arrival = Arrival(self.library, self.watch)
            sys.meta_path.insert(0, self._arrival)

    def remove(self) -> None:
        """See `Probe.remove`."""
        if self._arrival in sys.meta_path:
            sys.meta_path.remove(self._arrival)
        self._arrival = None
        self.patches.undo()
        self.control = None

    def worker(self) -> Worker | None:
        """The controlled worker of the calling thread."""
        return None if self.control is None else self.control.current()

    @abc.abstractmethod
    def watch(self) -> None:
        """Replace what is to be watched, through `patches`. The library is loaded."""


class Arrival(importlib.abc.MetaPathFinder):
    """Calls back when a module has been imported for the first time.

    Args:
        name: The module's full name.
        arrived: Called once it can be used.
    """

    def __init__(self, name: str, arrived: Callable[[], None]) -> None:
        self._name = name
        self._arrived = arrived
        self._searching = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find the module as if this finder were not there, and have it loaded by a loader that calls back."""
        if fullname != self._name or getattr(self._searching, "now", False):
            return None
        self._searching.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching.now = False
        if spec is not None and spec.loader is not None:
            genuine = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                genuine(module)
                self._arrived()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
