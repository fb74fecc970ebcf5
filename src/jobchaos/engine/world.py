"""World: all stores of one check, bound to resources just before their first touch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobchaos.core.effect import Foreign, Mode
from jobchaos.core.file_store import FileStore
from jobchaos.core.ports import Ledger, Recognising, Returnable, Store, Volatile
from jobchaos.core.snapshot import Snapshot, State
from jobchaos.core.trace import Trace
from jobchaos.errors import LossError, UsageError

StoreFactory = Callable[[str], Store | None]


@dataclass(frozen=True, slots=True)
class Saved:
    """The content of all stores at one moment, in a form that only they can read.

    Attributes:
        held: Store name to what its `hold` has given.
    """

    held: Mapping[str, Any]


class World:
    """The stores and ledgers that make up the state of a check.

    Args:
        factory: Makes a store for a resource, or returns None if there is none for its kind.
    """

    def __init__(self, factory: StoreFactory) -> None:
        self._factory = factory
        self._stores: dict[str, Store] = {}
        self._in_order: list[tuple[str, Store]] = []  # in which they are restored
        self._announced: set[str] = set()
        self._initial: dict[str, Snapshot] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._volatile: list[Volatile] = []
        self._memory: list[tuple[Store, Snapshot]] = []
        self.unstored: list[str] = []

    @property
    def initial(self) -> State:
        """The content of every store when it was bound."""
        return self._initial

    @property
    def announced(self) -> frozenset[str]:
        """The resources that were announced so far."""
        return frozenset(self._announced)

    @property
    def in_memory(self) -> list[str]:
        """Names of the stores whose content no other process can change."""
        return [
            name
            for name, store in self._stores.items()
            if isinstance(store, Volatile) or getattr(store, "in_memory", False)
        ]

    @property
    def one_at_a_time(self) -> dict[str, str]:
        """Names of the stores that only one worker can use at a time, and why."""
        reasons = {name: getattr(store, "one_at_a_time", "") for name, store in self._stores.items()}
        return {name: reason for name, reason in reasons.items() if reason}

    def add(self, store: Store) -> None:
        """Bind a store of the user's now; it wins over automatic ones for the resources it covers.

        Raises:
            UsageError: If it is none, or refuses.
        """
        if not isinstance(store, Store):
            raise UsageError(
                f"{store!r} is not a store. Give SQLiteStore(path), DirectoryStore(path), MemoryStore(object), "
                "FunctionStore(snapshot=..., reset=...), or an object with all methods of a store."
            )
        self._bind(store)

    def remember(self, store: Store) -> None:
        """Bind memory of the process that is restored between runs and lost in a crash, but not part of the state."""
        store.capture()
        self._memory.append((store, store.snapshot()))

    def promote_memory(self) -> None:
        """Make all remembered memory part of the state: the job has no other."""
        memory, self._memory = self._memory, []
        for store, _ in memory:
            store.restore()
            self._bind(store)

    def lose_memory(self) -> None:
        """A process has died: what it remembered is as it was in the beginning, but for what is part of the state."""
        if self._memory:
            state = self.hold()
            for store, _ in self._memory:
                store.restore()
            for volatile, held in state:
                volatile.put_back(held)

    @property
    def changed_memory(self) -> list[str]:
        """Names of the remembered memory that is not as in the beginning."""
        return [store.name for store, initial in self._memory if not store.snapshot().same_as(initial)]

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
        ledger = self._ledger_of(foreign)
        if ledger is not None:
            ledger.record(foreign)

    def knows(self, foreign: Foreign) -> bool:
        """True if one of the same identity has been entered."""
        ledger = self._ledger_of(foreign)
        return isinstance(ledger, Recognising) and ledger.knows(foreign)

    def restore(self) -> None:
        """Everything back to its initial state."""
        for _, store in self._in_order:
            store.restore()
        self.lose_memory()

    @property
    def not_returnable(self) -> list[str]:
        """Names of the stores that can only go back to their initial state."""
        return [name for name, store in self._stores.items() if not isinstance(store, Returnable)]

    def save(self) -> Saved:
        """Remember the present content of everything; all stores must be returnable."""
        return Saved({name: store.hold() for name, store in self._stores.items() if isinstance(store, Returnable)})

    def keep(self) -> Saved | None:
        """What `save` gives, if all can be saved, and fast: in less time than a job takes to lead there again."""
        if self.not_returnable or any(getattr(store, "holds_slowly", False) for store in self._stores.values()):
            return None
        return self.save()

    def put_back(self, saved: Saved) -> None:
        """Return to what `save` remembered. A store that was bound later goes back to its initial state.

        Memory of the process that is not part of the state is as in the beginning: every attempt has a fresh process.
        """
        self.lose_memory()
        for name, store in self._in_order:
            if name in saved.held and isinstance(store, Returnable):
                store.put_back(saved.held[name])
            else:
                store.restore()

    def snapshot(self) -> State:
        """The present content of everything."""
        return {name: store.snapshot() for name, store in self._stores.items()}

    @property
    def hidden(self) -> tuple[object, ...]:
        """What decides what jobs do next, and is compared with nothing: of each store the attribute `hidden`."""
        return tuple(store.hidden for store in self._stores.values() if hasattr(store, "hidden"))

    @property
    def ledgers(self) -> frozenset[str]:
        """Names of the stores that hold foreign effects."""
        return frozenset(self._ledgers)

    def unseen(self, state: State, trace: Trace) -> list[str]:
        """Names of stores that have changed although no write effect of the trace explains it.

        A request or a mail explains everything: the service that it went to may be in this process, too.
        """
        written = {
            touch.resource for effect in trace.effects() for touch in effect.touches if touch.mode is not Mode.READ
        }
        if any(ledger.covers(resource) for ledger in self._ledgers.values() for resource in written):
            return []
        return [
            name
            for name, store in self._stores.items()
            if name not in self._ledgers
            and not any(store.covers(resource) for resource in written)
            and not state[name].same_as(self._initial[name])
        ]

    def hold(self) -> list[tuple[Volatile, Any]]:
        """Remember the process's own memory while a dying worker unwinds."""
        return [(store, store.hold()) for store in self._volatile]

    def give_back(self) -> None:
        """Everything that still can be goes back to its initial state, whatever has become of the rest.

        Raises:
            LossError: What all stores said that could not be restored; or else the first other error.
        """
        _all_of([store.restore for _, store in self._in_order] + [self.lose_memory])

    def close(self) -> None:
        """Let go of every store, even if one of them cannot.

        Raises:
            LossError: What all stores said that could not let go; or else the first other error.
        """
        _all_of([store.close for store in self._stores.values()])

    def _ledger_of(self, foreign: Foreign) -> Ledger | None:
        resource = f"{foreign.ledger}:"
        self.announce(resource)
        return next((ledger for ledger in self._ledgers.values() if ledger.covers(resource)), None)

    def _bind(self, store: Store) -> None:
        try:
            store.capture()
        except BaseException:
            store.close()
            raise
        name, number = store.name, 1
        while name in self._stores:  # two databases called app.db
            number += 1
            name = f"{store.name} ({number})"
        self._stores[name] = store
        if isinstance(store, Ledger):
            self._ledgers[name] = store
        if isinstance(store, Volatile):
            self._volatile.append(store)
        self._initial[name] = store.snapshot()
        self._leave_files_to_their_stores()

    def _leave_files_to_their_stores(self) -> None:
        kept = frozenset(path for store in self._stores.values() for path in getattr(store, "files", ()))
        finders = {name: store for name, store in self._stores.items() if isinstance(store, FileStore)}
        self._initial |= {name: finder.leave_out(kept) for name, finder in finders.items()}
        # These come last: they bring back what was there before another store knew of it.
        self._in_order = [(name, store) for name, store in self._stores.items() if name not in finders]
        self._in_order += finders.items()


def _all_of(steps: Sequence[Callable[[], None]]) -> None:
    """Take every step; then raise all losses as one, or else the first error."""
    errors: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    losses = {str(error): error.code for error in errors if isinstance(error, LossError)}
    if losses:
        raise LossError(" Moreover, ".join(losses), next(iter(losses.values()))) from errors[0]
    if errors:
        raise errors[0]
