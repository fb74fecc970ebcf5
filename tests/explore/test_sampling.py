"""Sampling: the probabilities that the papers promise, computed exactly where that is possible."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from typing import ClassVar

import pytest

from jobchaos.core.effect import Effect
from jobchaos.core.schedule import Fault, Schedule
from jobchaos.explore.gaps import gaps
from jobchaos.explore.sampling import canonical, pct, pos
from tests.explore.chances import chances, dependent, effects, played

Point = tuple[str, int]  # copy, position


def chance(of: dict[str, list[Effect]], depth: int, *bug: tuple[Point, Point]) -> Fraction:
    """The probability that PCT brings effects into an order: the first of each pair before the second."""

    def happens(schedule: Schedule) -> bool:
        when = {(copy, position): time for time, (copy, _, position) in enumerate(played(schedule, of))}
        return all(when[before] < when[after] for before, after in bug)

    found = chances(lambda draw: pct(of, depth, draw))
    assert sum(found.values()) == 1
    return sum((probability for schedule, probability in found.items() if happens(schedule)), Fraction(0))


class TestPCT:
    """The bound is 1 / (n * k^(d-1)) for n copies, k moves and a bug of depth d."""

    @pytest.mark.parametrize("copies", ["AB", "ABC", "ABCD"])
    def test_an_order_of_two_effects_is_found_as_often_as_promised(self, copies: str) -> None:
        of = {copy: effects("wx wx") for copy in copies}
        assert chance(of, 1, (("B", 1), ("A", 0))) >= Fraction(1, len(copies))

    @pytest.mark.parametrize("first", range(4))
    @pytest.mark.parametrize("second", range(5))
    def test_a_lost_update_is_found_as_often_as_promised(self, first: int, second: int) -> None:
        of = {"A": effects("wx wx wx wx wx"), "B": effects("wx wx wx wx wx")}
        found = chance(of, 2, (("A", first), ("B", second)), (("B", second), ("A", first + 1)))
        assert found >= Fraction(1, 2 * 10)

    @pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (2, 1), (0, 2)])
    def test_three_constraints_are_found_as_often_as_promised(self, a: int, b: int) -> None:
        of = {"A": effects("wx wx wx wx"), "B": effects("wx wx wx wx")}
        bug = (("A", a), ("B", b)), (("B", b), ("A", a + 1)), (("A", a + 1), ("B", b + 1))
        assert chance(of, 3, *bug) >= Fraction(1, 2 * 8**2)
        assert chance(of, 2, *bug) == 0  # one change too few

    def test_many_draws_find_it_as_often_as_promised(self) -> None:
        of = {copy: effects("rx wy wx wz wy wx wz wx") for copy in "ABC"}
        choices = random.Random(5)
        draws = 6000
        found = 0
        for _ in range(draws):
            order = [(copy, position) for copy, _, position in played(pct(of, 2, choices.randrange), of)]
            found += order.index(("A", 4)) < order.index(("C", 3)) < order.index(("A", 5))
        assert found / draws >= 1 / (3 * 24)

    def test_depth_two_makes_every_schedule_with_one_preemption_and_no_other(self) -> None:
        found = chances(lambda draw: pct({"A": effects("wx wx wx"), "B": effects("wx wx wx")}, 2, draw))
        assert {str(schedule) for schedule in found} == {"A B", "B A", "A1 B A", "A2 B A", "B1 A B", "B2 A B"}

    def test_copies_without_effects_are_delivered_too(self) -> None:
        found = chances(lambda draw: pct({"A": [], "B": effects("wx")}, 2, draw))
        assert {str(schedule) for schedule in found} == {"A B", "B A"}


class TestPOS:
    def test_an_effect_behind_many_independent_ones_may_still_be_first(self) -> None:
        of = {"A": effects("wa wb wc wd we wf wg wh wi wx"), "B": effects("wx")}
        choices = random.Random(1)
        found = Counter(played(pos(of, dependent, choices.randrange), of).index(("B", 1, 0)) == 10 for _ in range(4000))
        assert found[True] / 4000 == pytest.approx(1 / 11, abs=0.02)  # a random walk: 1 / 2^10

    def test_priorities_are_drawn_again_for_dependent_effects_only(self) -> None:
        of = {"A": effects("wx wx wx wx wx"), "B": effects("wx")}
        choices = random.Random(2)

        def last(*, dependent: bool) -> float:
            orders = [played(pos(of, lambda _a, _b: dependent, choices.randrange), of) for _ in range(3000)]
            return sum(order[-1][0] == "B" for order in orders) / len(orders)

        assert last(dependent=False) == pytest.approx(1 / 6, abs=0.02)  # one priority against five
        assert last(dependent=True) == pytest.approx(1 / 2**5, abs=0.01)  # a new one against each

    def test_all_interleavings_of_dependent_effects_are_found(self) -> None:
        of = {"A": effects("wx wx wx"), "B": effects("wx wx wx")}
        choices = random.Random(3)
        assert len({pos(of, dependent, choices.randrange) for _ in range(2000)}) == 20  # 6! / (3! * 3!)

    def test_copies_without_effects_are_delivered_too(self) -> None:
        of = {"A": [], "B": effects("wx")}
        choices = random.Random(4)
        assert {str(pos(of, dependent, choices.randrange)) for _ in range(50)} == {"A B", "B A"}


@pytest.mark.parametrize("sampler", ["pct", "pos"])
class TestKills:
    OF: ClassVar = {"A": effects("rx wx ry wy"), "B": effects("wx ry"), "C": []}

    def draws(self, sampler: str, kills: int) -> list[Schedule]:
        choices = random.Random(8).randrange
        if sampler == "pct":
            return [pct(self.OF, 3, choices, kills) for _ in range(3000)]
        return [pos(self.OF, dependent, choices, kills) for _ in range(3000)]

    def test_half_of_the_schedules_have_up_to_so_many(self, sampler: str) -> None:
        found = Counter(schedule.kills for schedule in self.draws(sampler, 2))
        assert found[0] / 3000 == pytest.approx(1 / 2, abs=0.03)
        assert found[1] / 3000 == pytest.approx(1 / 4, abs=0.03)
        assert set(found) == {0, 1, 2}

    def test_none_has_any_without_a_bound(self, sampler: str) -> None:
        assert {schedule.kills for schedule in self.draws(sampler, 0)} == {0}

    def test_they_happen_in_every_gap_and_nowhere_else(self, sampler: str) -> None:
        found: dict[str, set[int]] = {copy: set() for copy in self.OF}
        for schedule in self.draws(sampler, 1):
            before = Counter[str]()
            for run in schedule.runs:
                before[run.copy] += run.steps or 0
                if run.fault is Fault.KILL:
                    found[run.copy].add(before[run.copy])
        assert found == {copy: set(gaps(of)) for copy, of in self.OF.items()}

    def test_the_redelivery_is_a_part_of_the_schedule(self, sampler: str) -> None:
        attempts = set()
        for schedule in self.draws(sampler, 2):
            attempts.add(max(attempt for _, attempt, _ in played(schedule, self.OF)))
            assert Schedule.parse(str(schedule)) == schedule
        assert attempts == {1, 2, 3}


@pytest.mark.parametrize(
    ("token", "named"),
    [("B3 A B", "A3 B A"), ("A3 B A", "A3 B A"), ("C1!kill B +5s C A", "A1!kill B +5s A C")],
)
def test_identical_copies_are_named_in_the_order_in_which_they_move(token: str, named: str) -> None:
    assert str(canonical(Schedule.parse(token))) == named
