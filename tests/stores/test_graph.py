"""The objects behind an object: what they keep in slots and attributes, and what their classes make of containers."""

from __future__ import annotations

import collections
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy

from jobchaos.errors import TooLargeError
from jobchaos.stores.attributes import attributes_of
from jobchaos.stores.base import BaseStore
from jobchaos.stores.graph import Graph
from jobchaos.stores.memory import MemoryStore
from tests.stores.conftest import rows_of


class Slotted:
    __slots__ = ("late", "n")
    late: int

    def __init__(self) -> None:
        self.n = [1]


class Inheriting(Slotted):
    __slots__ = ("more",)

    def __init__(self) -> None:
        super().__init__()
        self.more = 2


class Counter:
    """Begins without any attribute of its own."""

    n = 0

    def count(self) -> None:
        self.n += 1


class Private:
    __slots__ = ("__n",)

    def __init__(self) -> None:
        self.__n = 0

    def count(self) -> int:
        self.__n += 1
        return self.__n


@pytest.mark.parametrize("kind", [Slotted, Inheriting])
def test_slots_are_restored_and_emptied(kind: type[Slotted]) -> None:
    target = kind()
    inner, store = target.n, MemoryStore(target)
    store.capture()
    target.n = [5]
    inner.append(2)
    target.late = 1
    assert ("late", 1) in rows_of(store, kind.__name__)
    store.restore()
    assert target.n is inner
    assert inner == [1]
    assert not hasattr(target, "late")


def test_locks_and_functions_are_left_alone() -> None:
    lock = threading.Lock()
    target = SimpleNamespace(lock=lock, function=len, balance=0)
    graph = Graph([target])
    with lock:
        target.balance, target.lock, target.function = 5, None, None
        graph.restore()
        assert target.lock is lock
        assert lock.locked()
    assert (target.balance, target.function) == (0, len)


@pytest.mark.parametrize("make", [Counter, threading.local, Slotted.__new__], ids=["object", "local", "slots"])
def test_an_object_that_begins_without_attributes_loses_what_it_got(make: Callable[..., Any]) -> None:
    target = make(Slotted) if make is Slotted.__new__ else make()
    graph = Graph([target])
    target.n = 1
    graph.restore()
    assert "n" not in getattr(target, "__dict__", {})
    assert getattr(target, "n", 0) == 0


def test_private_slots_are_seen_and_restored() -> None:
    target = Private()
    store = MemoryStore(target)
    store.capture()
    told = store.snapshot()
    assert target.count() == 1
    assert not store.snapshot().same_as(told)
    store.restore()
    assert target.count() == 1


class Appending(list[int]):
    def extend(self, _items: Any) -> None:
        raise AssertionError("a method of the user's, with effects of its own")

    def clear(self) -> None:
        raise AssertionError("a method of the user's, with effects of its own")


class Updating(dict[str, int]):
    def update(self, *_args: Any, **_named: Any) -> None:
        raise AssertionError("a method of the user's, with effects of its own")

    def clear(self) -> None:
        raise AssertionError("a method of the user's, with effects of its own")


OWN = "refill and its kin call methods that a subclass may have replaced, as Counter.update is: it adds"


@pytest.mark.parametrize(
    ("target", "change"),
    [
        (collections.Counter("aab"), lambda target: target.subtract("aa")),
        (Appending([1]), lambda target: target.append(2)),
        (Updating(a=1), lambda target: target.pop("a")),
    ],
    ids=["Counter", "list", "dict"],
)
def test_classes_with_methods_of_their_own_are_restored_without_them(
    target: Any, change: Callable[[Any], object]
) -> None:
    graph, before = Graph([target]), repr(target)
    change(target)
    assert repr(target) != before
    graph.restore()
    assert repr(target) == before


def test_attributes_of_containers_are_restored_too() -> None:
    class Box(list[int]):
        label = ""

    box = Box([1])
    box.label = "old"
    graph = Graph([box])
    box.append(2)
    box.label = "new"
    graph.restore()
    assert (box, box.label) == ([1], "old")


def test_setters_and_properties_of_the_users_are_not_called() -> None:
    class Guarded:
        def __init__(self) -> None:
            vars(self)["_n"] = 1

        @property
        def n(self) -> int:
            raise AssertionError

        def __setattr__(self, name: str, value: object) -> None:
            raise AssertionError

    target = Guarded()
    graph = Graph([target])
    vars(target)["_n"] = 2
    graph.restore()
    assert vars(target) == {"_n": 1}


def test_keys_and_members_that_hold_state_are_followed() -> None:
    class Key:
        def __init__(self) -> None:
            self.n = 1

    in_dict, in_set, in_frozen = Key(), Key(), Key()
    graph = Graph([{in_dict: "x"}, {in_set}, (frozenset([in_frozen]),)])
    for key in (in_dict, in_set, in_frozen):
        key.n = 2
    graph.restore()
    assert [key.n for key in (in_dict, in_set, in_frozen)] == [1, 1, 1]


def test_ten_thousand_levels_are_no_trouble() -> None:
    root: dict[str, Any] = {}
    lowest = root
    for _ in range(10_000):
        lowest["next"] = {}
        lowest = lowest["next"]
    graph = Graph([root])
    lowest["changed"] = True
    graph.restore()
    assert lowest == {}
    while root:  # taken apart from above: the interpreter would do it recursively
        root = root["next"]


def test_modules_classes_and_functions_are_not_entered() -> None:
    target = SimpleNamespace(
        module=collections, kind=SimpleNamespace, function=test_attributes_of_containers_are_restored_too
    )
    graph = Graph([target])
    target.function.__dict__["marked"] = True
    target.module = None
    graph.restore()
    assert target.module is collections
    assert target.function.__dict__.pop("marked")


def test_a_graph_may_be_restored_again_and_again() -> None:
    target = [1]
    graph = Graph([target, target])
    for _ in range(3):
        target.append(2)
        graph.restore()
        assert target == [1]


def test_what_is_ours_is_no_part_of_the_state() -> None:
    ours = BaseStore("ours")
    target = {"kept": ours}
    graph = Graph([target])
    ours._name = "changed"
    graph.restore()
    assert ours.name == "changed"
    assert attributes_of(ours) == {}


class Hiding(Slotted):
    __slots__ = ()

    @property
    def late(self) -> int:  # type: ignore[override]
        return 7


def test_a_slot_that_a_subclass_hides_is_left_alone() -> None:
    hiding = Hiding()
    assert attributes_of(hiding) == {"n": [1]}
    graph = Graph([hiding])
    hiding.n.append(2)
    graph.restore()
    assert hiding.n == [1]


class Lazy:
    __slots__ = ("made",)
    made: int

    def __getattr__(self, name: str) -> int:
        if name == "made":
            raise TypeError("asked to make it")
        raise AttributeError(name)


def test_a_slot_that_would_be_made_when_asked_for_is_not_asked_for() -> None:
    lazy = Lazy()
    assert attributes_of(lazy) == {}
    graph = Graph([lazy])
    lazy.made = 1
    graph.restore()
    assert attributes_of(lazy) == {}


def test_clients_of_servers_are_no_part_of_the_state() -> None:
    engine, other = sqlalchemy.create_engine("sqlite://"), sqlalchemy.create_engine("sqlite://")
    target: dict[str, Any] = {"engine": engine, "sent": [1]}
    graph = Graph([target])
    engine.pool = other.pool
    target["sent"].append(2)
    graph.restore()
    assert target == {"engine": engine, "sent": [1]}
    assert engine.pool is other.pool


def test_paths_can_be_part_of_the_state() -> None:
    place = SimpleNamespace(folder=Path("/tmp/one"), names=["a"])
    graph = Graph([place])
    place.names.append("b")
    place.folder /= "two"
    graph.restore()
    assert (place.folder, place.names) == (Path("/tmp/one"), ["a"])


def test_so_many_objects_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobchaos.stores.graph._MOST", 1000)
    with pytest.raises(TooLargeError, match=r"^the list leads to more than 1000 objects, among them a list"):
        Graph([[[] for _ in range(1001)]], "the list")


def test_other_threads_find_everything_all_the_time() -> None:
    """A server of the test's own may be in a job's closure, and goes on serving while it is restored."""
    server = SimpleNamespace(port=1, routes={"/": "index"}, hosts={"localhost"})
    graph = Graph([server])
    stop = threading.Event()
    missed: list[Exception] = []

    def serve() -> None:
        while not stop.is_set():
            try:
                assert server.port, server.routes["/"]
                assert "localhost" in server.hosts
            except (AttributeError, KeyError, AssertionError) as error:
                missed.append(error)
                return

    before = sys.getswitchinterval()
    thread = threading.Thread(target=serve)
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(3000):
            server.requests = 1
            graph.restore()
            assert not hasattr(server, "requests")
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)
    assert missed == []
