"""MemoryStore and NamespaceStore: objects and global names of this process."""

from __future__ import annotations

import types
from collections.abc import MutableMapping, Sequence
from typing import Any

from jobchaos.core.snapshot import Snapshot, Table
from jobchaos.errors import UsageError
from jobchaos.stores.base import BaseStore
from jobchaos.stores.graph import Graph
from jobchaos.stores.rendering import cell_of, table_of


class MemoryStore(BaseStore):
    """One object with everything that can be reached from it, restored in place.

    Args:
        target: A mutable object: a dict, a list, a fake service.
        name: Short name for reports; empty takes the type's name.

    Raises:
        UsageError: If the object cannot change.
    """

    in_process = True

    def __init__(self, target: Any, *, name: str = "") -> None:
        super().__init__(name or type(target).__name__)
        if not can_change(target):
            raise UsageError(
                f"MemoryStore needs an object that can change, got {target!r}. Pass what holds the value: a dict, a "
                "list, an object; for a class or a module, the object that it keeps under some name."
            )
        self._target = target
        self._initial = Graph(())

    @property
    def targets(self) -> tuple[object, ...]:
        """The object; jobs get it as it is, not a copy."""
        return (self._target,)

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource.startswith("memory:")

    def capture(self) -> None:
        """See `Store.capture`."""
        self._initial = self.hold()

    def restore(self) -> None:
        """See `Store.restore`."""
        self._initial.restore()

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return Snapshot({self.name: table_of(self._target)})

    def hold(self) -> Graph:
        """See `Volatile.hold`."""
        return Graph([self._target], self.name)

    def put_back(self, held: Graph) -> None:
        """See `Volatile.put_back`."""
        held.restore()


def can_change(value: object) -> bool:
    """False for plain values, and for what a store leaves alone: classes, modules, functions."""
    fixed = (
        int | float | complex | str | bytes | type | types.ModuleType | types.FunctionType | types.BuiltinFunctionType
    )
    return value is not None and not isinstance(value, fixed)


class NamespaceStore(BaseStore):
    """Some names of a module or of a closure, with what they stand for.

    Args:
        namespace: The module's globals, or the closure's cells.
        names: Which of them.
        name: Short name for reports.
    """

    in_process = True

    def __init__(self, namespace: MutableMapping[str, Any], names: Sequence[str], *, name: str) -> None:
        super().__init__(name)
        self._namespace = namespace
        self._names = tuple(names)
        self._initial: tuple[dict[str, Any], Graph] = {}, Graph(())

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource.startswith("memory:")

    def capture(self) -> None:
        """See `Store.capture`."""
        self._initial = self.hold()

    def restore(self) -> None:
        """See `Store.restore`."""
        self.put_back(self._initial)

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        rows = tuple((name, cell_of(self._namespace[name])) for name in self._names if name in self._namespace)
        return Snapshot({self.name: Table(("name", "value"), rows, ("name",))})

    def hold(self) -> tuple[dict[str, Any], Graph]:
        """See `Volatile.hold`."""
        bound = {name: self._namespace[name] for name in self._names if name in self._namespace}
        return bound, Graph(bound.values(), self.name)

    def put_back(self, held: tuple[dict[str, Any], Graph]) -> None:
        """See `Volatile.put_back`."""
        bound, graph = held
        for name in self._names:
            self._namespace.pop(name, None)
        self._namespace.update(bound)
        graph.restore()
