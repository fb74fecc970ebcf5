"""Minimise: nothing can be taken away from what is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobchaos.core.schedule import Schedule
from jobchaos.explore.minimise import minimise, simplifications

Fails = Callable[[Schedule], bool]


def minimal(token: str, fails: Fails, *, identical: bool = True) -> str:
    return str(minimise(Schedule.parse(token), fails, identical=identical))


def simpler(token: str, *, identical: bool = True) -> set[str]:
    return {str(schedule) for schedule in simplifications(Schedule.parse(token), identical=identical)}


def test_every_part_of_a_schedule_is_taken_away_alone() -> None:
    assert simpler("A2!kill A") == {"A", "A0!kill A", "A1!kill A"}
    assert {"A1 B A", "A0 +5s B A"} <= simpler("A1 +5s B A")
    assert simpler("A B") == {"A"}


def test_times_and_wrong_clocks_are_taken_away_too() -> None:
    assert {"@B+5s A1 B A", "A1 +5s B A"} <= simpler("@B+5s A1 +5s B A")
    assert "A1 +5s A" in simpler("@B+5s A1 +5s B A")  # the clock of a copy that is not there is nobody's


def test_different_jobs_are_not_taken_away() -> None:
    assert "A" in simpler("A B")
    assert "A" not in simpler("A B", identical=False)


def test_letters_follow_each_other_when_a_copy_is_taken_away() -> None:
    assert "A1 B A" in simpler("A1 C A B")


@pytest.mark.parametrize(
    ("token", "fails", "expected"),
    [
        ("A4!kill A", lambda schedule: schedule.kills > 0, "A0!kill A"),
        ("A4!kill A3!kill A", lambda schedule: schedule.kills > 0, "A0!kill A"),
        ("A7 B2 A B", lambda schedule: len(schedule.copies) > 1, "A B"),
        ("A7 B A", lambda schedule: schedule.preemptions > 0 and (schedule.runs[0].steps or 0) > 2, "A3 B A"),
        ("A A A", lambda schedule: len(schedule.runs) > 1, "A A"),
    ],
)
def test_what_is_left_is_the_simplest_that_fails(token: str, fails: Fails, expected: str) -> None:
    assert minimal(token, fails) == expected


def test_no_schedule_is_run_twice() -> None:
    seen: list[Schedule] = []

    def fails(schedule: Schedule) -> bool:
        seen.append(schedule)
        return schedule.kills > 0

    minimal("A6!kill A2!kill B A", fails)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("token", ["A5!kill A2 B1!kill A B", "A3 B2 C1 A B C", "A2!lost", "A1 +5s B A"])
def test_nothing_can_be_taken_away_from_the_result(token: str) -> None:
    def fails(schedule: Schedule) -> bool:
        weight = schedule.kills * 3 + schedule.preemptions * 2 + sum(run.steps or 0 for run in schedule.runs)
        return weight >= 3 or "lost" in str(schedule)

    left = minimise(Schedule.parse(token), fails, identical=True)
    assert fails(left)
    assert not any(fails(simpler) for simpler in simplifications(left, identical=True))
