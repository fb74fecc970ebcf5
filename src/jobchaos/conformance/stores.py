"""StoreContract: what the engine relies on in every store."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from jobchaos.core.ports import Returnable, Store
from jobchaos.core.snapshot import Snapshot
from jobchaos.errors import UnsafeRestoreError

_PLAIN: tuple[type, ...] = (int, float, str, bytes, type(None))
_MANY = 50  # restores in a row; a check makes thousands, and a leak shows after a few


class StoreContract:
    """Tests of one kind of store.

    Attributes:
        resource: Hook. Path of a resource that the store covers, and that `change` changes: `sql:/tmp/app.db`.
        foreign: Hook. Path of one that it does not cover, as like the other as can be.
    """

    resource = ""
    foreign = "nobody:has/this"

    def make(self) -> Store:
        """Hook. A store of a test resource that has something in it; not yet captured."""
        raise NotImplementedError("return a new store")

    def change(self, store: Store, number: int) -> None:
        """Hook. Change the resource as a job would, past the store; to another content for each number from 1 to 3.

        The content must depend on the number alone, and not on what was there before.
        """
        raise NotImplementedError("change what the store holds")

    def unsafe(self) -> Store | None:
        """Hook. A store of something that is not plainly a test resource; None if all of its kind are."""
        return None

    # --- what it is --------------------------------------------------------------------------------------------------

    def test_it_has_all_methods_of_a_store(self) -> None:
        with self._made() as store:
            assert isinstance(store, Store), f"{type(store).__name__} lacks methods of jobchaos.core.ports.Store"

    def test_it_has_a_name_that_stays(self) -> None:
        with self._captured() as store:
            name = store.name
            assert isinstance(name, str)
            assert name.strip(), "reports would show nothing"
            self.change(store, 1)
            assert store.name == name

    def test_it_covers_its_own_resources_only(self) -> None:
        with self._captured() as store:
            assert store.covers(self.resource)
            assert not store.covers(self.foreign)
            assert not store.covers(""), "an empty path is everybody's"

    # --- snapshots ---------------------------------------------------------------------------------------------------

    def test_two_snapshots_of_one_state_are_equal(self) -> None:
        with self._captured() as store:
            assert store.snapshot().same_as(store.snapshot())
            self.change(store, 1)
            assert store.snapshot().same_as(store.snapshot())

    def test_a_change_is_seen(self) -> None:
        with self._captured() as store:
            seen = [store.snapshot()]
            for number in (1, 2, 3):
                self.change(store, number)
                seen.append(store.snapshot())
            for position, snapshot in enumerate(seen):
                for other in seen[position + 1 :]:
                    assert not snapshot.same_as(other), f"{snapshot.tables} is told like {other.tables}"

    def test_a_snapshot_stays_as_it_was(self) -> None:
        with self._captured() as store:
            before, digest = store.snapshot(), store.snapshot().digest
            self.change(store, 1)
            assert before.digest == digest, "it shows the present state, not that of its time"

    def test_snapshots_are_well_formed(self) -> None:
        with self._captured() as store:
            self.change(store, 1)
            for name, table in store.snapshot().tables.items():
                columns = set(table.columns)
                assert len(columns) == len(table.columns), f"{name} has a column twice"
                assert set(table.key) <= columns
                assert table.generated <= columns
                assert set(table.references) <= columns
                for row in table.rows:
                    assert len(row) == len(table.columns), f"{name}: {row} does not fit {table.columns}"
                    odd = [cell for cell in row if not isinstance(cell, _PLAIN)]
                    assert not odd, f"{name}: {odd} cannot be compared; use numbers, text, bytes and None"
                keys = [tuple(row[table.columns.index(column)] for column in table.key) for row in table.rows]
                assert not table.key or len(set(keys)) == len(keys), f"{name}: two rows have the same key"

    # --- restoring ---------------------------------------------------------------------------------------------------

    def test_restore_leads_back(self) -> None:
        with self._captured() as store:
            initial = store.snapshot()
            for numbers in ((), (1,), (1, 2), (3, 3)):
                for number in numbers:
                    self.change(store, number)
                store.restore()
                _same(initial, store.snapshot(), f"restored after the changes {numbers}")

    def test_it_can_be_restored_again_and_again(self) -> None:
        with self._captured() as store:
            initial = store.snapshot()
            for round_ in range(_MANY):
                self.change(store, 1 + round_ % 3)
                store.restore()
            _same(initial, store.snapshot(), f"restored {_MANY} times")

    def test_the_same_change_leads_to_the_same_state(self) -> None:
        with self._captured() as store:
            self.change(store, 1)
            first = store.snapshot()
            store.restore()
            self.change(store, 1)
            _same(first, store.snapshot(), "the same change after a restore")

    def test_announcing_twice_changes_nothing(self) -> None:
        with self._captured() as store:
            initial = store.snapshot()
            self.change(store, 1)
            store.announce(self.resource)  # by another worker: it was captured long ago
            store.restore()
            _same(initial, store.snapshot(), "restored after a second announcement")

    def test_it_returns_to_any_state_that_it_held(self) -> None:
        with self._captured() as store:
            if not isinstance(store, Returnable):
                return  # it need not be: crashes then run whole prefixes again
            initial, held, seen = store.snapshot(), [], []
            for number in (1, 2, 3):
                self.change(store, number)
                held.append(store.hold())
                seen.append(store.snapshot())
            for position in (0, 2, 1, 1, 0):
                store.put_back(held[position])
                _same(seen[position], store.snapshot(), f"put back to state {position + 1}")
                self.change(store, 3)
            store.restore()
            _same(initial, store.snapshot(), "restored after it was put back")
            store.put_back(held[0])
            _same(seen[0], store.snapshot(), "put back after a restore")

    # --- safety, and the end -----------------------------------------------------------------------------------------

    def test_what_is_no_test_resource_is_refused_untouched(self) -> None:
        store = self.unsafe()
        if store is None:
            return
        with contextlib.closing(store):
            before = store.snapshot()
            told = ""
            try:
                store.capture()
                store.announce(self.resource)
            except UnsafeRestoreError as error:
                told = str(error)
            assert told, "it would restore, and so destroy, what is not plainly a test resource"
            assert "allow" in told, "it does not say how to allow it"
            _same(before, store.snapshot(), "refused")

    def test_nothing_stays_behind(self) -> None:
        with self._captured() as store:
            self.change(store, 1)  # whatever is made once and kept: drivers, caches
        threads, descriptors = threading.active_count(), _descriptors()
        for _ in range(3):
            with self._captured() as store:
                self.change(store, 1)
                store.snapshot()
                store.restore()
        assert threading.active_count() <= threads, "a thread stays behind"
        assert _descriptors() <= descriptors, "a file or connection stays open"

    def test_it_can_be_closed_twice_and_without_a_capture(self) -> None:
        with self._made() as store:
            store.capture()
            store.close()
        with self._made() as store:
            store.close()

    # --- inside ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _made(self) -> Iterator[Store]:
        with contextlib.closing(self.make()) as store:
            yield store

    @contextlib.contextmanager
    def _captured(self) -> Iterator[Store]:
        """As a check does it: captured, then told of a resource just before its first touch; restored in the end."""
        with self._made() as store:
            store.capture()
            store.announce(self.resource)
            try:
                yield store
            finally:
                store.restore()


def _same(expected: Snapshot, found: Snapshot, when: str) -> None:
    assert found.same_as(expected), f"{when}: {found.tables}\nis not {expected.tables}"


def _descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except FileNotFoundError:  # not Linux
        return 0
