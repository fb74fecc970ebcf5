"""Objects are restored in place: the same ones, with the same references to one another."""

from __future__ import annotations

import collections
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobchaos.core.ports import Volatile
from jobchaos.errors import UsageError
from jobchaos.stores.memory import MemoryStore, NamespaceStore
from tests.stores.conftest import rows_of


@dataclass
class Account:
    """An object like a user's."""

    balance: int = 0
    history: list[str] = field(default_factory=list)
    partner: Account | None = None


class Shared:
    sent: ClassVar[list[str]] = []


def captured(target: object) -> MemoryStore:
    store = MemoryStore(target)
    store.capture()
    return store


CHANGES: list[tuple[Any, Callable[[Any], object]]] = [
    ({"a": 1, "b": 2}, lambda target: (target.pop("a"), target.update(b=3, c=4))),
    ([3, 1, 2], lambda target: (target.sort(), target.append(4))),
    ({1, 2}, lambda target: (target.discard(1), target.add(9))),
    (collections.deque([1, 2, 3], maxlen=3), lambda target: target.append(4)),
    (bytearray(b"abc"), lambda target: target.extend(b"d")),
    (collections.defaultdict(list, {"a": [1]}), lambda target: (target["a"].append(2), target["b"].append(3))),
    (collections.OrderedDict(a=1, b=2), lambda target: (target.move_to_end("a"), target.update(b=5))),
    ({"deep": [{"er": [1]}]}, lambda target: target["deep"][0]["er"].append(2)),
    ({"pair": ([1], 2)}, lambda target: target["pair"][0].append(2)),
    ([], lambda target: target.append(1)),
    (Account(), lambda target: (target.history.append("x"), vars(target).update(extra=1), vars(target).pop("balance"))),
]


@pytest.mark.parametrize(("target", "change"), CHANGES, ids=[type(target).__name__ for target, _ in CHANGES])
def test_every_kind_of_container_comes_back(target: Any, change: Callable[[Any], object]) -> None:
    target = copy.deepcopy(target)
    before, store = copy.deepcopy(target), captured(target)
    told = store.snapshot()
    for _ in range(2):
        change(target)
        assert target != before
        assert not store.snapshot().same_as(told)
        store.restore()
        assert target == before
        assert repr(target) == repr(before)  # the order too
        assert store.snapshot().digest == told.digest


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


def _wreck(value: Any) -> None:
    """Change everything that can change."""
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
    for part in list(parts):
        _wreck(part)
    if isinstance(value, dict):
        value.clear()
        value["wrecked"] = True
    elif isinstance(value, list):
        value.reverse()
        value.append("wrecked")


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(VALUES, max_size=5))
def test_any_value_comes_back_exactly(target: list[Any]) -> None:
    before, store = repr(target), captured(target)
    digest = store.snapshot().digest
    _wreck(target)
    assert store.snapshot().digest != digest
    store.restore()
    assert repr(target) == before
    assert store.snapshot().digest == digest


def test_objects_keep_their_identity() -> None:
    ann = Account(5, ["open"])
    history, root = ann.history, {"ann": ann}
    store = captured(root)
    ann.history = ["another list"]
    ann.balance = 7
    root["ann"] = Account(9)
    store.restore()
    assert root["ann"] is ann
    assert ann.history is history
    assert (ann.balance, history) == (5, ["open"])


def test_two_names_for_one_object_stay_that() -> None:
    shared: list[int] = []
    root = {"a": shared, "b": shared, "c": []}
    store = captured(root)
    root["b"] = [1]
    root["c"] = shared
    store.restore()
    root["a"].append(1)
    assert root == {"a": [1], "b": [1], "c": []}
    store.restore()
    assert root["a"] is root["b"] is shared
    assert root["c"] is not shared


def test_cycles_are_followed_and_restored() -> None:
    ann, bob = Account(1), Account(2)
    ann.partner, bob.partner = bob, ann
    loop: list[Any] = [ann]
    loop.append(loop)
    store = captured(loop)
    told = store.snapshot()
    bob.partner, bob.balance = None, 3
    loop.pop()
    store.restore()
    assert ann.partner is bob
    assert bob.partner is ann
    assert (bob.balance, loop[1]) == (2, loop)
    assert store.snapshot().same_as(told)


def test_an_object_that_was_let_go_of_comes_back_with_its_content() -> None:
    root = {"orders": [Account(1)]}
    store = captured(root)
    root["orders"][0].balance = 2
    root["orders"].clear()
    root.clear()
    store.restore()
    assert root == {"orders": [Account(1)]}


def test_a_class_is_restored_or_refused() -> None:
    try:
        store = captured(Shared)
    except UsageError:
        return
    Shared.sent.append("mail")
    store.restore()
    sent = Shared.sent.copy()
    Shared.sent.clear()
    assert sent == []


@pytest.mark.parametrize("value", [None, 5, 1.5, True, "text", b"bytes"])
def test_a_value_that_cannot_change_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="MemoryStore needs an object that can change") as caught:
        MemoryStore(value)
    assert repr(value) in str(caught.value)


def test_names_and_resources() -> None:
    assert MemoryStore({}).name == "dict"
    assert MemoryStore(Account(), name="bank").name == "bank"
    assert MemoryStore({}).covers("memory:anything")
    assert not MemoryStore({}).covers("file:/tmp/memory:")
    target: list[int] = []
    assert MemoryStore(target).targets[0] is target


def test_what_is_held_is_apart_from_what_was_captured() -> None:
    target = [1]
    store = captured(target)
    assert isinstance(store, Volatile)
    target.append(2)
    held = store.hold()
    target.append(3)
    store.put_back(held)
    assert target == [1, 2]
    store.restore()
    assert target == [1]


def test_names_of_a_module_are_rebound_unbound_and_restored_inside() -> None:
    inner = [1]
    namespace: dict[str, Any] = {"total": 0, "cache": inner, "gone": 1, "other": 5}
    store = NamespaceStore(namespace, ["total", "cache", "gone", "late"], name="app.jobs")
    store.capture()
    assert rows_of(store, "app.jobs") == {("total", 0), ("cache", "[1]"), ("gone", 1)}
    inner.append(2)
    namespace.update(total=7, cache=[9], late=1, other=6)
    del namespace["gone"]
    assert rows_of(store, "app.jobs") == {("total", 7), ("cache", "[9]"), ("late", 1)}
    held = store.hold()
    store.restore()
    assert namespace == {"total": 0, "cache": [1], "gone": 1, "other": 6}
    assert namespace["cache"] is inner
    store.put_back(held)
    assert namespace == {"total": 7, "cache": [9], "late": 1, "other": 6}
