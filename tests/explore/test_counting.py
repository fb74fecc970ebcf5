"""Counting: equal to brute force where that is possible, and to the published numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from jobchaos.core.effect import Effect
from jobchaos.errors import UsageError
from jobchaos.explore.counting import Bound, count, require, suggest
from jobchaos.explore.gaps import gaps

Move = tuple[int, int, int, int | None]  # copy, attempt, effect, and the gap, if it is killed in that


def bound(steps: tuple[int, ...], preemptions: int, kills: int = 0, *, identical: bool = False) -> Bound:
    """A bound in which every copy can be killed after any of its effects."""
    everywhere = tuple(tuple(range(1, number + 1)) for number in steps)
    return Bound(steps=steps, gaps=everywhere, preemptions=preemptions, kills=kills, identical=identical)


def lives(copy: int, steps: int, gaps: tuple[int, ...], kills: int) -> Iterator[list[Move]]:
    """All that can become of one copy."""
    for number in range(kills + 1):
        for killed in itertools.product(gaps, repeat=number):
            life = []
            for attempt, gap in enumerate((*killed, None)):
                moves = max(1, steps if gap is None else gap)
                life += [(copy, attempt, move, gap if move == moves - 1 else None) for move in range(moves)]
            yield life


def orders(left: list[list[Move]]) -> Iterator[list[Move]]:
    """All orders of the moves of several copies."""
    if not any(left):
        yield []
    for index, moves in enumerate(left):
        if moves:
            rest = [*left[:index], moves[1:], *left[index + 1 :]]
            yield from ([moves[0], *order] for order in orders(rest))


def preemptions(order: list[Move]) -> int:
    last = {move[0]: move for move in order}
    return sum(a[0] != b[0] and a[3] is None and a != last[a[0]] for a, b in itertools.pairwise(order))


def brute_force(bound: Bound) -> int:
    found = set()
    sizes = zip(bound.steps, bound.gaps, strict=True)
    per_copy = [list(lives(copy, n, g, bound.kills)) for copy, (n, g) in enumerate(sizes)]
    for chosen in itertools.product(*per_copy):
        if sum(move[3] is not None for life in chosen for move in life) <= bound.kills:
            found |= {tuple(order) for order in orders(list(chosen)) if preemptions(order) <= bound.preemptions}
    if not bound.identical:
        return len(found)
    renamed = set()
    for order in found:
        names: dict[int, int] = {}
        renamed.add(tuple((names.setdefault(copy, len(names)), *move) for copy, *move in order))
    return len(renamed)


@pytest.mark.parametrize("identical", [False, True])
@pytest.mark.parametrize(
    ("steps", "kills"),
    [((4,), 2), ((3, 3), 0), ((3, 3), 1), ((2, 2), 2), ((5, 5), 0), ((2, 2, 2), 0), ((1, 1, 1), 1), ((1, 1, 1, 1), 0)],
)
def test_counts_equal_brute_force(steps: tuple[int, ...], kills: int, identical: bool) -> None:
    for preemptions in range(5):
        within = bound(steps, preemptions, kills, identical=identical)
        assert count(within) == brute_force(within)


@pytest.mark.parametrize("steps", [(0, 0), (0, 3), (1, 4), (2, 1, 3)])
def test_counts_of_different_copies_equal_brute_force(steps: tuple[int, ...]) -> None:
    for preemptions, kills in itertools.product(range(3), range(2)):
        killed_at = tuple((0, number) if number else (0,) for number in steps)
        within = Bound(steps=steps, gaps=killed_at, preemptions=preemptions, kills=kills)
        assert count(within) == brute_force(within)


@pytest.mark.parametrize(
    ("copies", "preemptions", "schedules", "up_to_symmetry"),
    [(2, 1, 20, 10), (2, 2, 182, 91), (3, 1, 168, 28), (3, 2, 3300, 550), (2, 20, 184_756, 92_378)],
)
def test_the_published_numbers_of_a_job_with_ten_effects(
    copies: int, preemptions: int, schedules: int, up_to_symmetry: int
) -> None:
    assert count(bound((10,) * copies, preemptions)) == schedules
    assert count(bound((10,) * copies, preemptions, identical=True)) == up_to_symmetry


@pytest.mark.parametrize(("preemptions", "schedules"), [(1, 455), (2, 4622)])
def test_the_published_numbers_of_one_copy_killed_and_retried(preemptions: int, schedules: int) -> None:
    only_the_first = (tuple(range(1, 11)), ())
    assert count(Bound(steps=(10, 10), gaps=only_the_first, preemptions=preemptions, kills=1)) == schedules


def test_without_a_bound_all_interleavings_are_counted() -> None:
    assert count(bound((10, 10, 10), 30)) == 5_550_996_791_340  # 30! / 10!^3
    assert count(bound((20, 20), 40)) == math.comb(40, 20)


def test_astronomic_numbers_are_counted_without_counting_one_by_one() -> None:
    assert count(bound((50,) * 4, 6)) == 146_206_174_287_960  # also the sum over the words of pieces, one by one
    assert count(bound((1000,) * 4, 6, kills=3)) > 10**24


def test_a_gap_ends_just_before_a_durable_write() -> None:
    marks = [Effect("step", str(number), durable=mark == "w") for number, mark in enumerate("-w--w-")]
    assert gaps(marks) == (1, 4, 6)
    assert gaps([]) == (0,)


@pytest.mark.parametrize(
    ("limit", "copies", "preemptions", "kills"),
    [(10**30, 4, 6, 1), (10**7, 4, 2, 0), (10**6, 4, 1, 0), (10**4, 4, 1, 0), (100, 4, 0, 0), (10, 3, 0, 0)],
)
def test_the_suggestion_gives_up_kills_then_preemptions_then_copies(
    limit: int, copies: int, preemptions: int, kills: int
) -> None:
    found = suggest(bound((50,) * 4, 6, 1), limit)
    assert (len(found.steps), found.preemptions, found.kills) == (copies, preemptions, kills)
    assert count(found) <= limit
    if found.preemptions < 6:
        assert count(replace(found, preemptions=found.preemptions + 1)) > limit


def test_one_schedule_always_fits() -> None:
    assert count(suggest(bound((50,) * 4, 6, 1), 1)) == 1


def test_a_bound_that_fits_is_accepted() -> None:
    require(bound((10, 10), 2), 182)


def test_the_error_names_both_numbers_and_a_bound_that_fits() -> None:
    with pytest.raises(UsageError) as caught:
        require(bound((50,) * 4, 6), 100_000)
    assert str(caught.value) == (
        "a bound too large for memory: 4 copies with 6 preemptions of 50 effects are 1.5e14 schedules, and at most "
        "100,000 fit; preemptions=1 gives 7,080"
    )


def test_the_error_names_all_that_has_to_shrink() -> None:
    expected = r"2 copies with 1 preemption and 2 kills of 10, 20 effects are .*; preemptions=0, kills=0 gives 2$"
    with pytest.raises(UsageError, match=expected):
        require(bound((10, 20), 1, 2), 5)
