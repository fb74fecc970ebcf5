"""Hypothesis drives: it covers a plan, shrinks an index, and remembers it."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import given
from hypothesis.database import InMemoryExampleDatabase

from jobchaos.core.schedule import Schedule
from jobchaos.errors import UsageError
from jobchaos.explore import strategies


@pytest.fixture
def database() -> Iterator[InMemoryExampleDatabase]:
    database = InMemoryExampleDatabase()
    before = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.register_profile("remembering", database=database)
    hypothesis.settings.load_profile("remembering")
    yield database
    hypothesis.settings.load_profile(before)


@pytest.mark.parametrize("size", [1, 2, 21, 182])
def test_a_plan_without_failure_is_covered_completely(size: int) -> None:
    seen: list[int] = []
    strategies.drive(size, lambda index: bool(seen.append(index)), key=b"cover", seed=0, limit=size)
    assert set(seen) == set(range(size))


def test_the_same_seed_samples_a_plan_beyond_the_limit_alike() -> None:
    orders = []
    for _ in range(2):
        seen: list[int] = []
        strategies.drive(5000, lambda index: bool(seen.append(index)), key=b"order", seed=7, limit=50)
        orders.append(seen)
    assert orders[0] == orders[1]


def test_a_failure_shrinks_to_the_smallest_index(database: InMemoryExampleDatabase) -> None:
    tried: list[int] = []

    def fails(index: int) -> bool:
        tried.append(index)
        return index >= 13

    strategies.drive(100, fails, key=b"shrink", seed=0, limit=100)
    assert 13 in tried


def test_a_failure_is_remembered_and_tried_first(database: InMemoryExampleDatabase) -> None:
    strategies.drive(100, lambda index: index == 57, key=b"remember", seed=0, limit=100)
    tried: list[int] = []

    def fails(index: int) -> bool:
        tried.append(index)
        return index == 57

    strategies.drive(100, fails, key=b"remember", seed=1, limit=100)
    assert tried[0] == 57


@given(strategies.schedules(4))
def test_schedules_for_users_are_valid(schedule: Schedule) -> None:
    assert Schedule.parse(str(schedule)) == schedule


def test_schedules_shrink_to_the_simplest() -> None:
    found = hypothesis.find(strategies.schedules(9), lambda schedule: schedule.kills > 0)
    assert str(found) == "A0!kill A"


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="-1 effects"):
        strategies.schedules(-1)
    with pytest.raises(UsageError, match="'race'"):
        strategies.schedules(3, families=["race"])
    with pytest.raises(UsageError, match="at least one"):
        strategies.schedules(3, families=[])


@given(strategies.schedules(1))
def test_a_users_own_given_test_is_recognised(schedule: Schedule) -> None:
    assert strategies.inside_hypothesis()


def test_outside_of_one_nothing_is_recognised() -> None:
    assert not strategies.inside_hypothesis()
