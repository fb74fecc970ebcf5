"""FunctionStore: any state that two functions can read and reset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from jobchaos.core.snapshot import Snapshot
from jobchaos.errors import UsageError
from jobchaos.stores.base import BaseStore
from jobchaos.stores.rendering import is_opaque, table_of, without_address

T = TypeVar("T")


class FunctionStore(BaseStore):
    """State of any kind, in the weakest form that can be checked.

    Args:
        snapshot: Returns the state as plain values: a dict, a list, a number. Equal states must give equal values.
        reset: Takes the state back to what it was when the check began.
        name: Short name for reports.
        covers: Beginnings of the resource paths that this is the state of: `redis:`. Usually none.
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Any],
        reset: Callable[[], object],
        name: str = "state",
        covers: Sequence[str] = (),
    ) -> None:
        super().__init__(name)
        self._snapshot = snapshot
        self._reset = reset
        self._covers = tuple(covers)

    def covers(self, resource: str) -> bool:
        """See `Store.covers`."""
        return resource.startswith(self._covers) if self._covers else False

    def capture(self) -> None:
        """See `Store.capture`: also tries whether the two functions do what they must.

        Raises:
            UsageError: If a snapshot tells nothing, if two in a row differ, or if `reset` leads elsewhere.
        """
        before = self._first()
        if not before.same_as(self.snapshot()):
            raise UsageError(
                f"the store {self.name!r} gives two different snapshots of the same state: {self._told(before)} and "
                f"{self._told(self.snapshot())}. Leave out what changes by itself (times, counters, addresses)."
            )
        self.restore()
        after = self.snapshot()
        if not before.same_as(after):
            raise UsageError(
                f"reset of the store {self.name!r} does not lead back to where the check begins: {self._told(before)} "
                f"became {self._told(after)}. Let it set exactly the state that the test has prepared."
            )

    def restore(self) -> None:
        """See `Store.restore`."""
        self._call("reset", self._reset)

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return self._taken(self._call("snapshot", self._snapshot))

    def _taken(self, value: Any) -> Snapshot:
        if (
            isinstance(value, Mapping)
            and value
            and all(isinstance(part, Mapping | list | set) for part in value.values())
        ):
            return Snapshot({str(name): table_of(part) for name, part in value.items()})
        return Snapshot({self.name: table_of(value)})

    def _first(self) -> Snapshot:
        """A snapshot, in which there must be something that can be compared."""
        value = self._call("snapshot", self._snapshot)
        for part in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(part, Iterator) or is_opaque(part):
                raise UsageError(
                    f"the snapshot of the store {self.name!r} gives {without_address(part)}, in which nothing can be "
                    "compared: every state would be the same. Return plain values, as list(...) or cursor.fetchall()."
                )
        return self._taken(value)

    def _call(self, role: str, function: Callable[[], T]) -> T:
        try:
            return function()
        except Exception as error:
            raise UsageError(f"{role} of the store {self.name!r} failed: {type(error).__name__}: {error}") from error

    @staticmethod
    def _told(snapshot: Snapshot) -> str:
        return str({name: table.rows for name, table in snapshot.tables.items()})[:200]
