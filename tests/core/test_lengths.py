"""Which values are longer by what looks at the clock have taken, in whatever unit and form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import pytest

from jobchaos.core.fresh import Fresh, forms_of
from jobchaos.core.lengths import are_lengths
from jobchaos.core.snapshot import Cell


def values(*cells: Cell) -> Counter[Hashable]:
    return Counter(forms_of(Fresh(())).shape(cell) for cell in cells)


@pytest.mark.parametrize(
    ("one", "slow"),
    [
        (0.0, 7.001),
        (5, 12),
        (0.25, 21.253),
        (0, 7001),
        (12, 14_002_012),
        ("0.0", "7.0"),
        ("0:00:00", "0:00:07.001000"),
        ("00:00:05", "00:00:12.001"),
        ("PT0S", "PT14.002S"),
    ],
)
def test_what_is_longer_by_some_looks_is_a_length(one: Cell, slow: Cell) -> None:
    assert are_lengths(values(one), values(slow))
    assert are_lengths(values(one, 3, 3), values(3, slow, 3))
    assert not are_lengths(values(slow), values(one))


@pytest.mark.parametrize(("one", "slow"), [(1, 2), (6, 1), (0, 3), (0, 10), ("done", "late"), (None, 7.001), ("", "7")])
def test_what_differs_otherwise_is_none(one: Cell, slow: Cell) -> None:
    assert not are_lengths(values(one), values(slow))
    assert not are_lengths(values(one, 0.0), values(slow, 7.001))


def test_there_must_be_a_difference_and_as_many_values() -> None:
    assert not are_lengths(values(0.0), values(0.0))
    assert not are_lengths(values(0.0), values())
    assert not are_lengths(values(), values(7.001))
