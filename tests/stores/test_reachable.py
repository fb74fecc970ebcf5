"""The memory that a job's code names is found, restored in place, and nothing else is touched."""

from __future__ import annotations

import array
import collections
import enum
import functools
import json
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jobchaos.core.ports import Store
from jobchaos.stores.reachable import reachable
from tests.stores.conftest import rows_of


@dataclass
class Basket:
    """An object of the project's."""

    items: list[str] = field(default_factory=list)

    def add(self, item: str = "egg") -> None:
        self.items.append(item)

    def __call__(self) -> None:
        self.items.append("called")

    @classmethod
    def make(cls) -> Basket:
        return cls()


class Register:
    """A class with state of its own."""

    orders: ClassVar[list[int]] = []
    count = 0

    def job(self) -> None: ...


class Color(enum.Enum):
    RED = 1


class Number(int):
    def job(self) -> int:
        return self + 1


SENT: list[str] = []
SEEN: set[str] = set()
TOTALS: dict[str, int] = {}
RECENT: collections.deque[str] = collections.deque()
BASKET = Basket()
ENCODER = json.JSONEncoder()
LIMIT = 10
total = 0
late: int


def appends() -> None:
    SENT.append("mail")


def uses_many() -> None:
    SEEN.add("x")
    TOTALS["x"] = LIMIT
    RECENT.append(ENCODER.encode("x"))
    BASKET.add()


def rebinds() -> None:
    global total, late
    total += 1
    late = total


def nests() -> None:
    def inner() -> None:
        SENT.extend(item for item in "ab")

    inner()


def names(function: Callable[..., Any]) -> list[str]:
    return sorted(store.name for store in reachable(function))


def undone(function: Callable[..., Any], change: Callable[[], object]) -> list[Store]:
    """The stores, after they have undone a change."""
    stores = reachable(function)
    for store in stores:
        store.capture()
    before = [store.snapshot().digest for store in stores]
    change()
    assert [store.snapshot().digest for store in stores] != before, "no store has seen it"
    for store in stores:
        store.restore()
    assert [store.snapshot().digest for store in stores] == before
    return stores


def test_a_global_container_is_found_by_its_name() -> None:
    (store,) = undone(appends, appends)
    assert store.name == "SENT"
    assert SENT == []


def test_containers_and_own_objects_are_state_and_other_globals_are_not() -> None:
    assert names(uses_many) == ["BASKET", "RECENT", "SEEN", "TOTALS"]
    undone(uses_many, uses_many)
    assert (BASKET.items, list(RECENT), SEEN, TOTALS) == ([], [], set(), {})


def test_rebound_globals_are_restored_under_the_modules_name() -> None:
    (store,) = undone(rebinds, rebinds)
    assert store.name == __name__
    assert total == 0
    assert "late" not in globals()


def test_what_a_function_inside_names_counts_too() -> None:
    (store,) = undone(nests, nests)
    assert (store.name, SENT) == ("SENT", [])


def test_what_a_class_keeps_is_state_unless_it_is_no_class_of_the_projects() -> None:
    def registers() -> None:
        Register.orders.append(7)
        Register.count += 1
        json.JSONEncoder.item_separator  # noqa: B018 - a class of a library's
        Color.RED  # noqa: B018 - an enumeration

    (store,) = undone(registers, registers)
    assert rows_of(store, "Register") == {("orders", "[]"), ("count", 0)}
    assert (Register.orders, Register.count) == ([], 0)


def test_the_object_of_a_bound_method_is_state_with_all_behind_it() -> None:
    basket = Basket(["milk"])
    (store,) = reachable(basket.add)
    store.capture()
    basket.add()
    assert store.name == "Basket"
    assert rows_of(store, "Basket") == {("items", "['milk', 'egg']")}
    store.restore()
    assert basket.items == ["milk"]


def test_partials_are_looked_through() -> None:
    basket = Basket()
    job = functools.partial(functools.partial(basket.add), item="bread")
    undone(job, job)
    assert basket.items == []
    assert names(functools.partial(appends)) == ["SENT"]


def test_the_closure_is_state_under_its_names() -> None:
    log, basket, limit = list[str](), Basket(), 3

    def job() -> None:
        basket.add()
        log.append("x" * limit)

    assert names(job) == ["basket", "log"]
    undone(job, job)
    assert (log, basket.items) == ([], [])


@functools.cache
def made(name: str) -> list[str]:
    return [name]


@functools.cache
def made_before(name: str) -> list[str]:
    return [name]


fnmatch = functools.cache(json.dumps)


def uses_caches() -> None:
    made("x").append(fnmatch("y"))
    made_before("x").append("y")


def test_what_a_function_remembers_is_forgotten_unless_it_was_known_before() -> None:
    known = made_before("x")
    stores = reachable(uses_caches)
    assert [store.name for store in stores] == ["made", "made_before"]
    for store in stores:
        store.capture()
    first = made("x")
    for store in stores:
        store.restore()
    assert made("x") is not first
    assert made_before("x") is known
    assert all(store.snapshot().tables == {} for store in stores)
    made.cache_clear()


def test_a_closure_may_have_names_without_a_value_yet() -> None:
    def job() -> None:
        later.append(1)

    assert names(job) == []
    later: list[int] = []
    assert names(job) == ["later"]


def test_a_job_without_state_has_no_stores() -> None:
    def job(values: list[int]) -> int:
        return sum(values) + LIMIT

    assert reachable(job) == []
    assert reachable(lambda: json.dumps(1)) == []
    assert reachable(print) == []
    assert reachable(Basket) == []


def test_a_local_variable_of_a_globals_name_is_no_reference_to_it() -> None:
    def job() -> None:
        SENT = list[str]()  # noqa: N806 - that is the point
        SENT.append("x")

    assert reachable(job) == []


def test_code_that_would_rebind_is_enough() -> None:
    def job() -> None:
        global total
        if LIMIT < 0:
            total = 5

    def deletes() -> None:
        global total
        if LIMIT < 0:
            del total

    for function in (job, deletes):
        (store,) = reachable(function)
        assert rows_of(store, __name__) == {("total", 0)}


def test_rebound_names_of_the_closure_are_restored() -> None:
    count = 0

    def job() -> None:
        nonlocal count
        count += 1

    undone(job, job)
    assert count == 0


def test_a_callable_object_is_its_own_state() -> None:
    basket = Basket()
    undone(basket, basket)
    assert basket.items == []


def test_decorated_jobs_are_looked_through() -> None:
    @functools.wraps(appends)
    def job() -> None:
        appends()

    assert names(job) == ["SENT"]


def test_a_bound_object_that_cannot_change_is_no_state() -> None:
    assert reachable(Number(5).job) == []


def test_the_class_of_a_class_method_is_left_alone() -> None:
    assert reachable(Basket.make) == []


def test_what_several_jobs_share_is_captured_once() -> None:
    def counts() -> None:
        global LIMIT
        LIMIT += 1
        SENT.append("one")

    def reads() -> None:
        SENT.append(str(LIMIT))

    assert [store.name for store in reachable(counts, reads, counts)] == [__name__, "SENT"]


SPACE = types.SimpleNamespace(calls=0)
NUMBERS = array.array("i", [0])
USERS: collections.UserDict[str, int] = collections.UserDict()


def counts_in_other_containers() -> None:
    SPACE.calls += 1
    NUMBERS[0] += 1
    USERS["ann"] = 1


def test_further_containers_of_the_standard_library_are_state() -> None:
    undone(counts_in_other_containers, counts_in_other_containers)
    assert (SPACE.calls, NUMBERS[0], dict(USERS)) == (0, 0, {})


def counts_its_calls(*, known: dict[str, int] = {}, seen: list[int] = []) -> None:  # noqa: B006 - what is tried
    counts_its_calls.calls = getattr(counts_its_calls, "calls", 0) + 1  # type: ignore[attr-defined]
    known["calls"] = 1
    seen.append(1)


def test_default_arguments_and_attributes_of_functions_are_state() -> None:
    undone(counts_its_calls, counts_its_calls)
    assert names(counts_its_calls) == ["counts_its_calls", "known", "seen"]
    assert not hasattr(counts_its_calls, "calls")
