"""Values as cells: equal for equal values, different for different ones, and the same in every process."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import functools
import uuid
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from jobchaos.core.snapshot import Snapshot
from jobchaos.stores.rendering import cell_of, table_of


class Plain:
    """Without attributes and without a repr of its own."""


@dataclass
class Point:
    x: int
    y: object


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


def digest(value: object) -> str:
    return Snapshot({"value": table_of([value])}).digest


def looped(*inner: object) -> list[object]:
    loop: list[object] = [*inner]
    loop.append(loop)
    return loop


@pytest.mark.parametrize("value", [None, 1, 1.5, True, "text", b"bytes"])
def test_plain_values_are_themselves(value: object) -> None:
    assert cell_of(value) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, "a", None], "[1, 'a', None]"),
        ({"b": 1, "a": [2]}, "{'a': [2], 'b': 1}"),
        ({3, 1, 2}, "{1, 2, 3}"),
        (frozenset("ba"), "{'a', 'b'}"),
        (collections.deque([1]), "[1]"),
        (Point(1, Point(2, "z")), "Point(x=1, y=Point(x=2, y='z'))"),
        (decimal.Decimal("1.50"), "Decimal('1.50')"),
        (datetime.date(2024, 1, 31), "datetime.date(2024, 1, 31)"),
        ([datetime.datetime(2024, 1, 31, 12, tzinfo=datetime.timezone.utc)], "[2024-01-31 12:00:00.000000+00:00]"),
        (looped(1), "[1, ...]"),
        (Level, "<class 'tests.stores.test_rendering.Level'>"),
        (print, "<built-in function print>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_texts(value: object, text: str) -> None:
    assert cell_of(value) == text


def test_addresses_are_left_out() -> None:
    assert cell_of(Plain()) == cell_of(Plain())
    assert " at 0x" not in str(cell_of([Plain(), Plain().__init__, lambda: None]))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x": {5, 6}}, {"x": {6, 5}}),
        (Point(1, {2, 3}), Point(1, {3, 2})),
        ({"a": 1}, MappingProxyType({"a": 1})),
    ],
)
def test_equal_values_are_told_alike(one: object, other: object) -> None:
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [2, 1]),
        ([1], ["1"]),
        ([1], [1.0]),
        ([True], [1]),
        ({"a": None}, {}),
        ({1: "x"}, {"1": "x"}),
        ([b"x"], ["x"]),
        (Point(1, 2), Point(2, 1)),
        (Point(1, 2), SimpleNamespace(x=1, y=2)),
        (Level.LOW, Level.HIGH),
        ([[1], [2]], [[1, 2]]),
        (uuid.UUID(int=1), uuid.UUID(int=2)),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
        (ValueError("a"), ValueError("b")),
    ],
)
def test_different_values_are_told_apart(one: object, other: object) -> None:
    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    ("value", "columns", "key", "rows"),
    [
        ({"a": 1}, ("key", "value"), ("key",), {("a", 1)}),
        (["x"], ("index", "value"), ("index",), {(0, "x")}),
        (("x",), ("index", "value"), ("index",), {(0, "x")}),
        ({"x"}, ("value",), (), {("x",)}),
        (Point(1, [2]), ("attribute", "value"), ("attribute",), {("x", 1), ("y", "[2]")}),
        (7, ("value",), (), {(7,)}),
    ],
)
def test_tables(value: Any, columns: tuple[str, ...], key: tuple[str, ...], rows: set[Any]) -> None:
    table = table_of(value)
    assert (table.columns, table.key, set(table.rows)) == (columns, key, rows)


def test_a_value_that_occurs_twice_is_no_loop() -> None:
    inner = [1]
    assert cell_of([inner, inner]) == "[[1], [1]]"


def test_a_loop_through_attributes_is_cut() -> None:
    point = Point(1, None)
    point.y = [point]
    assert cell_of(point) == "Point(x=1, y=[...])"


def test_what_shares_parts_on_many_levels_has_a_short_text() -> None:
    one: list[object] = ["leaf"]
    other: list[object] = ["laef"]
    for _ in range(40):
        one, other = [one, one], [other, other]
    text = str(cell_of(one))
    different = digest(one) != digest(other)  # pytest would show the lists themselves
    assert len(text) < 5000
    assert different


def test_what_is_deep_is_cut() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert str(cell_of(deep)).strip("[]") == "list(...)"


def test_what_is_full_of_loops_has_a_text() -> None:
    people = [Point(number, []) for number in range(60)]
    for person in people:
        person.y = list(people)
    before, same = digest(people), digest(people)
    people[30].x = -1
    after = digest(people)
    assert before == same
    assert before != after


class Lazy:
    """As kombu's, which connects to its broker to say what it is."""

    __slots__ = ()

    def __call__(self, *_args: object, **_kwargs: object) -> None:
        raise AssertionError("woken up")

    def __repr__(self) -> str:
        raise AssertionError("woken up")


def test_nobody_is_asked_what_it_is_who_has_to_do_something_for_it() -> None:
    text = "<tests.stores.test_rendering.Lazy>"
    assert cell_of(Lazy()) == text
    assert cell_of(functools.partial(Lazy(), 5, key="x")) == f"partial({text}, [5], {{'key': 'x'}})"
    assert cell_of(Lazy().__call__) == "<bound method Lazy.__call__>"
