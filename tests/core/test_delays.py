from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from jobchaos.core.delays import Interval, Jitter, checked_jitter, delays, exact, interval, jittered, told
from jobchaos.errors import UsageError

S = 10**9


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3, Fraction(3)),
        (0.1, Fraction(1, 10)),
        (1e-9, Fraction(1, 10**9)),
        (Decimal("0.3"), Fraction(3, 10)),
        (Fraction(1, 3), Fraction(1, 3)),
        (timedelta(milliseconds=1500), Fraction(3, 2)),
    ],
)
def test_a_length_of_time_is_exact(value: Any, seconds: Fraction) -> None:
    assert exact("x", value) == seconds


@pytest.mark.parametrize("value", [True, "3", None, math.nan, math.inf, [1]])
def test_what_is_no_number_of_seconds_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="longest must be a number of seconds, got"):
        exact("longest", value)


@pytest.mark.parametrize("value", [-1, -0.1, timedelta(seconds=-1)])
def test_a_negative_length_of_time_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match=r"longest is negative, .*: time only moves forward"):
        exact("longest", value)


def test_a_delay_may_be_a_pair_whose_shorter_end_comes_first() -> None:
    assert interval("d", (1, 2)) == (S, 2 * S)
    assert interval("d", 1.5) == (1_500_000_000, 1_500_000_000)
    with pytest.raises(UsageError, match=r"delay 2 goes from 5 s to 1.5 s: write the shorter one first"):
        delays([1, (5, 1.5)])


@pytest.mark.parametrize(
    ("jitter", "low", "high"),
    [
        (None, 10, 10),
        ("full", 0, 10),
        ("equal", 5, 10),
        ((0, 3), 10, 13),
        ((-3, 3), 7, 13),
        ((-30, 0), 0, 10),
        (lambda n: (0, n), 10, 14),
    ],
)
def test_chance_makes_a_delay_an_interval(jitter: Jitter, low: int, high: int) -> None:
    checked_jitter(jitter)
    assert jittered(Interval(10 * S, 10 * S), jitter, 4) == (low * S, high * S)


@pytest.mark.parametrize("jitter", ["half", 3, (1, 2, 3), int, (0, "3")])
def test_what_is_no_jitter_is_refused(jitter: Any) -> None:
    with pytest.raises(UsageError, match="jitter"):
        checked_jitter(jitter)


@pytest.mark.parametrize("value", ["30", None, {1: 2}.items, object()])
def test_what_is_no_delay_is_refused(value: Any) -> None:
    if callable(value):
        assert delays(value) is value
        return
    with pytest.raises(UsageError, match="delays must be seconds"):
        delays(value)


def test_lengths_of_time_are_told_without_rounding() -> None:
    assert told(100_000_001) == "0.100000001 s"
    assert [told(15 * S), told(0), told(1500 * 10**6)] == ["15 s", "0 s", "1.5 s"]
    assert str(Interval(S, S)) == "1 s"
    assert str(Interval(0, 600 * S)) == "0 s to 600 s"
