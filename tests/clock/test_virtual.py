"""Virtual time moves only when told to, and only forward."""

from __future__ import annotations

import pytest

from jobchaos.clock.virtual import VirtualClock
from jobchaos.errors import UsageError


def test_it_stands_still_until_it_is_advanced() -> None:
    clock = VirtualClock(1_000)
    assert clock.now() == 1_000
    clock.advance(5)
    assert clock.now() == 1_005


def test_it_cannot_go_back() -> None:
    clock = VirtualClock(0)
    with pytest.raises(UsageError, match="only moves forward"):
        clock.advance(-1)


def test_a_new_run_begins_at_the_start_without_reads() -> None:
    clock = VirtualClock(0)
    clock.reads = 3
    clock.reset(7)
    assert (clock.now(), clock.reads) == (7, 0)


def test_time_may_pass_with_each_look() -> None:
    clock = VirtualClock(100)
    clock.look()
    assert (clock.now(), clock.reads) == (100, 1)
    clock.drift = 7
    clock.look()
    clock.look()
    assert (clock.now(), clock.reads) == (114, 3)


def test_one_machines_wall_clock_may_be_ahead_or_behind() -> None:
    clock = VirtualClock(1_000)
    clock.skew("A", 50)
    clock.skew("B", -50)
    assert [clock.wall(letter) for letter in "ABC"] == [1_050, 950, 1_000]
    clock.advance(7)
    assert clock.wall("A") == 1_057
    assert clock.now() == 1_007


def test_a_new_run_begins_with_all_clocks_right() -> None:
    clock = VirtualClock(0)
    clock.skew("A", 5)
    clock.reset(100)
    assert clock.wall("A") == 100


def test_monotonic_time_has_no_skew_and_begins_small() -> None:
    clock = VirtualClock(1_795_480_130_561_346_173)
    clock.skew("A", 5)
    first = clock.monotonic()
    clock.advance(3)
    assert clock.monotonic() - first == 3
    assert 0 < first < 10**13  # as a float, exact to the nanosecond
    clock.reset(1_795_480_130_561_346_173)
    assert clock.monotonic() == first


def test_it_may_go_on_by_itself() -> None:
    clock, passed = VirtualClock(1000), [0]
    clock.advance(5)
    clock.follow(lambda: passed[0])
    before = clock.monotonic()
    passed[0] = 7
    assert (clock.now(), clock.elapsed(), clock.monotonic() - before) == (1012, 12, 7)
