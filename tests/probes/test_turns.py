"""Waiting for one's turn: others move first, and bystanders are looked at only where they can help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobchaos.clock.virtual import VirtualClock
from jobchaos.probes.turns import Turns, at_once


class Waiter:
    """A worker that lets ten seconds pass at each wait."""

    def __init__(self, clock: VirtualClock) -> None:
        self.waits: list[str] = []
        self._clock = clock

    def wait(self, resource: str, deadline: int | None) -> bool:
        self.waits.append(resource)
        if deadline is not None and self._clock.now() >= deadline:
            return False
        self._clock.advance(10)
        return True

    def unblock(self) -> None:
        self.waits.append("over")


def succeeds_at(number: int) -> Callable[[float], bool]:
    """The attempt of this number, from 1, succeeds."""
    attempts = iter(range(1, 100))
    return lambda _seconds: next(attempts) >= number


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows when bystanders are looked at, who do nothing."""
    asked: list[str] = []

    def end(*_: object) -> bool:
        asked.append("bystanders")
        return False

    monkeypatch.setattr("jobchaos.probes.bystanders.Bystanders.end", end)
    return asked


def until(clock: VirtualClock, attempt: Callable[[float], bool], **options: Any) -> tuple[bool, list[str]]:
    waiter: Any = Waiter(clock)
    return Turns(clock).until(waiter, attempt, "it", **options), waiter.waits


def test_others_move_before_bystanders_are_looked_at(clock: VirtualClock, asked: list[str]) -> None:
    assert until(clock, succeeds_at(1)) == (True, ["over"])
    assert until(clock, succeeds_at(2)) == (True, ["it", "over"])
    assert asked == []
    assert until(clock, succeeds_at(3)) == (True, ["it", "it", "over"])
    assert asked == ["bystanders"]


def test_they_are_not_looked_at_for_what_a_worker_keeps(clock: VirtualClock, asked: list[str]) -> None:
    assert until(clock, succeeds_at(4), is_kept=lambda: True) == (True, ["it", "it", "it", "over"])
    assert asked == []


def test_nor_when_the_time_is_over(clock: VirtualClock, asked: list[str]) -> None:
    assert until(clock, succeeds_at(9), deadline=10) == (False, ["it", "it", "over"])
    assert asked == []


def test_a_thread_that_is_at_work_has_a_moment() -> None:
    granted: list[float] = []

    def attempt(seconds: float) -> bool:
        granted.append(seconds)
        return seconds > 0

    assert at_once(attempt)
    assert granted[0] == 0


def test_deadlines(clock: VirtualClock) -> None:
    clock.advance(5)
    turns = Turns(clock)
    assert [turns.deadline(seconds) for seconds in (None, 2, 0, -1)] == [None, 2_000_000_005, 5, 5]
