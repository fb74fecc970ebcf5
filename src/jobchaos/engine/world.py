"""World: all stores of one check, bound to resources just before their first touch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobchaos.core.effect import Foreign, Mode
from jobchaos.core.ports import Ledger, Store, Volatile
from jobchaos.core.snapshot import Snapshot, State
from jobchaos.core.trace import Trace

StoreFactory = Callable[[str], Store | None]


class World:
    """The stores and ledgers that make up the state of a check.

    Args:
        factory: Makes a store for a resource, or returns None if there is none for its kind.
    """

    def __init__(self, factory: StoreFactory) -> None:
        self._factory = factory
        self._stores: dict[str, Store] = {}
        self._announced: set[str] = set()
        self._initial: dict[str, Snapshot] = {}
        self._memory: list[Store] = []
        self.unstored: list[str] = []

    @property
    def initial(self) -> State:
        """The content of every store when it was bound."""
        return self._initial

    def add(self, store: Store) -> None:
        """Bind a store of the user's now; it wins over automatic ones for the resources it covers."""
        self._bind(store)

    def remember(self, store: Store) -> None:
        """Bind memory of the process that is restored between runs and lost in a crash, but not part of the state."""
        store.capture()
        self._memory.append(store)

    def promote_memory(self) -> None:
        """Make all remembered memory part of the state: the job has no other."""
        memory, self._memory = self._memory, []
        for store in memory:
            store.restore()
            self._bind(store)

    def lose_memory(self) -> None:
        """A process has died: what it remembered is as it was in the beginning."""
        for store in self._memory:
            store.restore()

    def announce(self, resource: str) -> None:
        """A resource is about to be touched: make sure that a store has captured it."""
        if resource in self._announced:
            return
        store = next((store for store in self._stores.values() if store.covers(resource)), None)
        if store is None:
            store = self._factory(resource)
            if store is None:
                self.unstored.append(resource)
            else:
                self._bind(store)
        if store is not None:
            store.announce(resource)
        self._announced.add(resource)

    def record(self, foreign: Foreign) -> None:
        """Enter a foreign effect into its ledger."""
        resource = f"{foreign.ledger}:"
        self.announce(resource)
        for store in self._stores.values():
            if isinstance(store, Ledger) and store.covers(resource):
                store.record(foreign)
                return

    def restore(self) -> None:
        """Everything back to its initial state."""
        for store in self._stores.values():
            store.restore()
        self.lose_memory()

    def snapshot(self) -> State:
        """The present content of everything."""
        return {name: store.snapshot() for name, store in self._stores.items()}

    @property
    def ledgers(self) -> frozenset[str]:
        """Names of the stores that hold foreign effects."""
        return frozenset(name for name, store in self._stores.items() if isinstance(store, Ledger))

    def unseen(self, state: State, trace: Trace) -> list[str]:
        """Names of stores that have changed although no write effect of the trace touches what they cover."""
        written = {
            touch.resource
            for effect in trace.effects()
            for touch in effect.touches
            if touch.mode is not Mode.READ
        }
        return [
            name
            for name, store in self._stores.items()
            if not isinstance(store, Ledger)
            and not any(store.covers(resource) for resource in written)
            and not state[name].same_as(self._initial[name])
        ]

    def hold(self) -> list[tuple[Volatile, Any]]:
        """Remember the process's own memory while a dying worker unwinds."""
        return [(store, store.hold()) for store in self._stores.values() if isinstance(store, Volatile)]

    def close(self) -> None:
        """Let go of every store."""
        for store in self._stores.values():
            store.close()

    def _bind(self, store: Store) -> None:
        store.capture()
        name, number = store.name, 1
        while name in self._stores:  # two databases called app.db
            number += 1
            name = f"{store.name} ({number})"
        self._stores[name] = store
        self._initial[name] = store.snapshot()
