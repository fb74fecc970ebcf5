"""Two functions are a store if they do what they must, and a clear error if they do not."""

from __future__ import annotations

import itertools
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest

from jobchaos.errors import UsageError
from jobchaos.stores.function import FunctionStore
from tests.stores.conftest import rows_of


class Service:
    """Something elsewhere, with a state of its own."""

    def __init__(self, **state: Any) -> None:
        self.state = state
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1
        self.state.clear()

    def store(self, **options: Any) -> FunctionStore:
        return FunctionStore(snapshot=lambda: self.state, reset=self.reset, **options)


def test_the_state_is_told_and_reset() -> None:
    service = Service()
    store = service.store()
    store.capture()
    before = store.snapshot()
    service.state["seats"] = 3
    assert rows_of(store, "state") == {("seats", 3)}
    assert not store.snapshot().same_as(before)
    store.restore()
    assert service.state == {}
    assert store.snapshot().digest == before.digest


def test_a_snapshot_does_not_change_with_what_it_was_made_of() -> None:
    service = Service(queue=[1], total=5)
    before = service.store().snapshot()
    service.state["queue"].append(2)
    service.state["total"] = 6
    assert set(before.tables["state"].rows) == {("queue", "[1]"), ("total", 5)}


@pytest.mark.parametrize(
    ("value", "columns", "rows"),
    [
        (5, ("value",), {(5,)}),
        (None, ("value",), {(None,)}),
        ("text", ("value",), {("text",)}),
        (["a", ["b"]], ("index", "value"), {(0, "a"), (1, "['b']")}),
        ({"a"}, ("value",), {("a",)}),
        ({"a": 1, "b": [2]}, ("key", "value"), {("a", 1), ("b", "[2]")}),
        ({}, ("key", "value"), set()),
    ],
)
def test_plain_values_are_one_table(value: object, columns: tuple[str, ...], rows: set[Any]) -> None:
    store = FunctionStore(snapshot=lambda: value, reset=lambda: None, name="seats")
    (name, table), *others = store.snapshot().tables.items()
    assert (name, table.columns, set(table.rows), others) == ("seats", columns, rows, [])


def test_a_mapping_of_collections_is_a_table_each() -> None:
    value = OrderedDict(users={"ann": 1}, queue=["x", "y"], seen={5})
    tables = FunctionStore(snapshot=lambda: value, reset=lambda: None).snapshot().tables
    assert {name: set(table.rows) for name, table in tables.items()} == {
        "users": {("ann", 1)},
        "queue": {(0, "x"), (1, "y")},
        "seen": {(5,)},
    }


def test_order_matters_in_lists_only() -> None:
    def digest(value: object) -> str:
        return FunctionStore(snapshot=lambda: value, reset=lambda: None).snapshot().digest

    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"t": {"x": {"p": 1, "q": 2}}}) == digest({"t": {"x": {"q": 2, "p": 1}}})
    assert digest([1, 2]) != digest([2, 1])
    assert len({digest(1), digest("1"), digest(True), digest(1.0), digest(None)}) == 5


def test_capture_tries_the_reset_once_and_needs_nothing_else() -> None:
    service = Service()
    service.store().capture()
    assert service.resets == 1


def test_a_snapshot_that_changes_by_itself_is_named() -> None:
    numbers = itertools.count(41)
    store = FunctionStore(snapshot=lambda: next(numbers), reset=lambda: None, name="clockwork")
    with pytest.raises(UsageError, match="'clockwork' gives two different snapshots of the same state") as caught:
        store.capture()
    assert "41" in str(caught.value)
    assert "Leave out what changes by itself" in str(caught.value)


@pytest.mark.parametrize(
    ("useless", "told"),
    [
        (lambda: object(), "<object object>"),
        (lambda: iter([1]), "<list_iterator object>"),
        (lambda: {"users": (row for row in [1])}, "<generator object "),
        (lambda: sqlite3.connect(":memory:").execute("SELECT 1"), "<sqlite3.Cursor object>"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_snapshot_in_which_nothing_can_be_compared_is_refused(useless: Callable[[], object], told: str) -> None:
    store = FunctionStore(snapshot=useless, reset=lambda: pytest.fail("nothing is to be reset"))
    with pytest.raises(UsageError, match=f"gives {told}.*every state would be the same"):
        store.capture()


def test_nothing_is_reset_when_the_snapshot_is_unusable() -> None:
    numbers, resets = itertools.count(), list[int]()
    store = FunctionStore(snapshot=lambda: next(numbers), reset=lambda: resets.append(1))
    with pytest.raises(UsageError):
        store.capture()
    assert resets == []


def test_a_reset_that_leads_elsewhere_is_named_with_both_states() -> None:
    service = Service(seats=3)
    with pytest.raises(UsageError, match="reset of the store 'booking' does not lead back") as caught:
        service.store(name="booking").capture()
    assert "('seats', 3)" in str(caught.value)
    assert "became {'booking': ()}" in str(caught.value)


def test_long_states_are_cut_in_messages() -> None:
    service = Service(text="x" * 5000)
    with pytest.raises(UsageError) as caught:
        service.store().capture()
    assert len(str(caught.value)) < 700


def _fails() -> object:
    raise ConnectionError("no such host")


@pytest.mark.parametrize(
    ("role", "snapshot", "reset"),
    [("snapshot", _fails, lambda: None), ("reset", dict, _fails)],
    ids=["snapshot", "reset"],
)
def test_a_function_that_fails_is_named_with_its_error(
    role: str, snapshot: Callable[[], object], reset: Callable[[], object]
) -> None:
    store = FunctionStore(snapshot=snapshot, reset=reset, name="redis")
    with pytest.raises(
        UsageError, match=f"^{role} of the store 'redis' failed: ConnectionError: no such host"
    ) as caught:
        store.capture()
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_keyboard_interrupts_are_no_errors_of_the_store() -> None:
    def interrupted() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FunctionStore(snapshot=interrupted, reset=lambda: None).capture()


def test_it_covers_what_it_is_told_to_and_usually_nothing() -> None:
    service = Service()
    assert not service.store().covers("redis:0/key")
    assert not service.store().covers("")
    store = service.store(covers=["redis:", "queue:mail"])
    asked = ("redis:0/key", "queue:mail", "queue:other", "sql:redis:")
    assert [store.covers(resource) for resource in asked] == [True, True, False, False]
