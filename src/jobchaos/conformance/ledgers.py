"""LedgerContract: what the engine relies on in every store of foreign effects."""

from __future__ import annotations

from jobchaos.conformance.stores import StoreContract
from jobchaos.core.effect import Foreign
from jobchaos.core.ports import Ledger, Store


class LedgerContract(StoreContract):
    """Tests of one kind of ledger: those of any store, and some more."""

    def foreign_effect(self, number: int, identity: tuple[str, ...] | None = None) -> Foreign:
        """Hook. An effect that it records, another one for each number.

        Args:
            number: From 1 to 3.
            identity: What the far end would recognise a repetition by.
        """
        raise NotImplementedError("return what a probe would record")

    def change(self, store: Store, number: int) -> None:
        """See `StoreContract.change`: nothing else can change a ledger."""
        assert isinstance(store, Ledger), f"{type(store).__name__} has no method record"
        store.restore()
        store.record(self.foreign_effect(number))

    def test_it_is_a_ledger(self) -> None:
        with self._made() as store:
            assert isinstance(store, Ledger)

    def test_each_occurrence_counts(self) -> None:
        assert self._rows_after(self.foreign_effect(1), self.foreign_effect(1), self.foreign_effect(2)) == 3

    def test_of_the_same_identity_the_first_counts(self) -> None:
        one, other = self.foreign_effect(1, ("a",)), self.foreign_effect(2, ("a",))
        assert self._rows_after(one, one, other) == 1
        assert self._rows_after(one, self.foreign_effect(2, ("b",))) == 2

    def test_identities_are_forgotten_when_it_is_restored(self) -> None:
        with self._captured() as store:
            assert isinstance(store, Ledger)
            effect = self.foreign_effect(1, ("a",))
            store.record(effect)
            store.restore()
            store.record(effect)
            assert _rows(store) == 1

    def test_an_empty_one_has_the_tables_of_a_full_one(self) -> None:
        with self._captured() as store:
            empty = {name: table.columns for name, table in store.snapshot().tables.items()}
            self.change(store, 1)
            assert {name: table.columns for name, table in store.snapshot().tables.items()} == empty

    def _rows_after(self, *effects: Foreign) -> int:
        with self._captured() as store:
            assert isinstance(store, Ledger)
            for effect in effects:
                store.record(effect)
            return _rows(store)


def _rows(store: Store) -> int:
    return sum(len(table.rows) for table in store.snapshot().tables.values())
