"""Hypothesis drives: it covers a plan, shrinks an index, and remembers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase

from jobchaos.core.schedule import Schedule
from jobchaos.errors import UsageError
from jobchaos.explore import strategies
from jobchaos.explore.sampling import Space
from tests.explore.chances import dependent, effects


@pytest.fixture
def database() -> Iterator[InMemoryExampleDatabase]:
    database = InMemoryExampleDatabase()
    before = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.register_profile("remembering", database=database)
    hypothesis.settings.load_profile("remembering")
    yield database
    hypothesis.settings.load_profile(before)


def passing(seen: list[int]) -> Callable[[int], bool]:
    """A check under which every schedule passes, and is noted."""

    def fails(index: int) -> bool:
        seen.append(index)
        return False

    return fails


@pytest.mark.parametrize("size", [1, 2, 21, 182])
def test_a_plan_without_failure_is_covered_completely(size: int) -> None:
    seen: list[int] = []
    strategies.drive(size, passing(seen), key=b"cover", seed=0, limit=size)
    assert set(seen) == set(range(size))


def test_the_same_seed_samples_a_plan_beyond_the_limit_alike() -> None:
    orders = []
    for _ in range(2):
        seen: list[int] = []
        strategies.drive(5000, passing(seen), key=b"order", seed=7, limit=50)
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


class TestSample:
    """Sampling a space of three copies with six effects, which has too many schedules for a plan."""

    OF: ClassVar = {copy: effects("rx wx ry wy wx rz") for copy in "ABC"}

    def sample(
        self,
        run: Callable[[Schedule], strategies.Outcome | None],
        *,
        seed: int = 0,
        limit: int = 60,
        kills: int = 0,
        identical: bool = False,
        first: tuple[str, ...] = (),
    ) -> Schedule | None:
        return strategies.sample(
            Space(effects=self.OF, dependent=dependent, kills=kills, identical=identical),
            run,
            key=b"sample",
            seed=seed,
            limit=limit,
            first=[Schedule.parse(token) for token in first],
        )

    def drawn(self, *, seed: int = 0, identical: bool = False) -> list[str]:
        """The tokens of a search in which nothing fails, and longer ones are better."""
        seen: list[str] = []

        def run(schedule: Schedule) -> strategies.Outcome:
            seen.append(str(schedule))
            return False, len(seen[-1])

        assert self.sample(run, seed=seed, identical=identical) is None
        return seen

    def test_the_limit_counts_distinct_schedules(self) -> None:
        seen = self.drawn()
        assert len(seen) == len(set(seen)) == 60

    def test_the_same_seed_draws_alike_and_another_one_otherwise(self, database: InMemoryExampleDatabase) -> None:
        assert self.drawn(seed=7) == self.drawn(seed=7)
        assert self.drawn(seed=7) != self.drawn(seed=8)

    def test_identical_copies_are_renamed(self) -> None:
        assert {token[0] for token in self.drawn()} == {"A", "B", "C"}
        seen = self.drawn(identical=True)
        assert {token[0] for token in seen} == {"A"}
        assert len(seen) == len(set(seen)) == 60

    def test_both_samplers_take_part(self) -> None:
        few = sum(Schedule.parse(token).preemptions <= 2 for token in self.drawn())  # as all of PCT's
        assert 15 <= few <= 50

    def test_a_failure_ends_it_and_is_given_back(self) -> None:
        seen: list[Schedule] = []

        def run(schedule: Schedule) -> strategies.Outcome:
            seen.append(schedule)
            return schedule.kills == 2, 0.0

        found = self.sample(run, kills=2, limit=500)
        assert found is not None
        assert found.kills == 2
        assert found is seen[-1]

    def test_the_deadline_ends_it(self) -> None:
        seen: list[Schedule] = []

        def run(schedule: Schedule) -> strategies.Outcome | None:
            if len(seen) == 9:
                return None
            seen.append(schedule)
            return False, 0.0

        assert self.sample(run) is None
        assert len(seen) == 9

    @pytest.mark.parametrize("inside", [False, True])
    def test_a_space_that_is_smaller_than_the_limit_is_exhausted(
        self, monkeypatch: pytest.MonkeyPatch, inside: bool
    ) -> None:
        monkeypatch.setattr(self, "OF", {"A": effects("wx wx"), "B": effects("wx wx")})
        monkeypatch.setattr(strategies, "inside_hypothesis", lambda: inside)
        seen: list[str] = []

        def run(schedule: Schedule) -> strategies.Outcome:
            seen.append(str(schedule))
            return False, 0.0

        assert self.sample(run, limit=10**9) is None
        assert sorted(seen) == ["A B", "A1 B A", "A1 B1 A B", "B A", "B1 A B", "B1 A1 B A"]

    def test_what_is_likely_to_fail_comes_first(self) -> None:
        seen: list[str] = []

        def run(schedule: Schedule) -> strategies.Outcome:
            seen.append(str(schedule))
            return False, 0.0

        likely = ("A1 B A C", "B5 C B A", "A1 B A C")
        self.sample(run, first=likely, limit=5)
        assert seen[:2] == ["A1 B A C", "B5 C B A"]
        assert len(set(seen)) == len(seen) == 5
        seen.clear()
        self.sample(run, first=likely, limit=1)
        assert seen == ["A1 B A C"]

    def test_a_failure_is_remembered_tried_first_and_forgotten_when_it_passes(
        self, database: InMemoryExampleDatabase
    ) -> None:
        failed = self.sample(lambda schedule: (schedule.preemptions > 3, 0.0))
        assert failed is not None
        seen: list[Schedule] = []

        def run(schedule: Schedule) -> strategies.Outcome:
            seen.append(schedule)
            return len(seen) == 1, 0.0

        assert self.sample(run, seed=1, limit=3, first=("A1 B A C",)) == failed
        assert seen == [failed]
        assert self.sample(run, seed=1, limit=3, first=("A1 B A C",)) is None
        assert seen[1] == failed
        assert not set(database.fetch(b"sample"))

    @pytest.mark.parametrize("saved", [b"\xff", b"nonsense", b"A B", b"A1 B A C D", b"A1!kill A B C"])
    def test_memories_that_do_not_fit_are_left_alone(self, database: InMemoryExampleDatabase, saved: bytes) -> None:
        database.save(b"sample", saved)
        seen: list[bytes] = []

        def run(schedule: Schedule) -> strategies.Outcome:
            seen.append(str(schedule).encode())
            return False, 0.0

        self.sample(run, limit=3)
        assert saved not in seen
        assert saved in set(database.fetch(b"sample"))

    def test_hypothesis_is_told_how_far_each_went(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[float] = []
        target = hypothesis.target

        def listening(score: float, *, label: str) -> float:
            assert label == "reversals"
            told.append(score)
            return target(score, label=label)  # it refuses a call outside of a search

        monkeypatch.setattr(hypothesis, "target", listening)
        assert {len(token) for token in self.drawn()} == set(told)

    def test_an_error_of_the_run_is_not_swallowed(self) -> None:
        def run(schedule: Schedule) -> strategies.Outcome:
            raise UsageError(f"no {schedule}")

        with pytest.raises(UsageError, match="no "):
            self.sample(run)

    def test_it_works_inside_a_users_own_given_test(self) -> None:
        @hypothesis.settings(max_examples=2, database=None)
        @given(st.booleans())
        def test(_value: bool) -> None:
            assert self.drawn(seed=3) == self.drawn(seed=3)
            assert len(set(self.drawn())) == 60

        test()


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
