"""Gaps between lasting writes, and orders in which to try some of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.effect import Effect
from jobchaos.explore.gaps import gaps, spread


@pytest.mark.parametrize(
    ("lasting", "positions"), [("", (0,)), ("r", (1,)), ("w", (0, 1)), ("rwrw", (1, 3, 4)), ("wwr", (0, 1, 3))]
)
def test_a_gap_lies_before_each_lasting_write_and_at_the_end(lasting: str, positions: tuple[int, ...]) -> None:
    assert gaps([Effect("sql", letter, durable=letter == "w") for letter in lasting]) == positions


def test_halves_come_before_quarters() -> None:
    assert spread(range(8)) == [0, 4, 2, 6, 1, 5, 3, 7]


@given(st.lists(st.integers(), max_size=50))
def test_nothing_is_lost(items: list[int]) -> None:
    assert sorted(spread(items)) == sorted(items)


@given(st.integers(2, 200), st.data())
def test_the_first_lie_far_apart(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(2, size))
    chosen = sorted([*spread(range(size))[:first], size])
    assert max(later - sooner for sooner, later in itertools.pairwise(chosen)) <= 4 * size / first
