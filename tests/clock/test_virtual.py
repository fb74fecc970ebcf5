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
