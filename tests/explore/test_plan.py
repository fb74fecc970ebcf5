"""The plan: complete within its bound, one kill a gap, simplest first."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.schedule import Schedule
from jobchaos.explore.plan import duplicates, failures, family_of, nearest, plan, terminations


def effects(durable: str, kind: str = "step") -> list[Effect]:
    """`-w-w`: one effect a character, durable and a write where it is a w."""
    touched = {"w": (Touch("list:", Mode.WRITE),), "-": (Touch("list:", Mode.READ),)}
    return [Effect(kind, str(number), touched[mark], durable=mark == "w") for number, mark in enumerate(durable)]


def tokens(family: str, durable: str) -> list[str]:
    return [str(schedule) for schedule in plan(family, effects(durable))]


def test_duplicates_are_sequential_deliveries() -> None:
    assert tokens("duplicate", "-w") == ["A A"]
    assert [str(schedule) for schedule in duplicates(3)] == ["A A", "A A A"]


def test_two_copies_are_preempted_once_at_every_step() -> None:
    assert tokens("concurrent", "-w-w") == ["A B", "A0 B A", "A1 B A", "A2 B A", "A3 B A"]
    assert tokens("concurrent", "w") == ["A B", "A0 B A"]  # it may have looked at the time before its only effect


def test_there_is_one_kill_for_each_gap_between_durable_writes() -> None:
    kills = [token for token in tokens("crash", "-w--w-") if "kill" in token]
    assert kills == ["A1!kill A", "A4!kill A", "A6!kill A"]


def test_there_is_a_termination_before_every_call_but_not_before_lines() -> None:
    terminated = [token for token in tokens("crash", "-w-") if "terminate" in token]
    assert terminated == ["A0!terminate A", "A1!terminate A", "A2!terminate A"]
    assert terminations(effects("ww", "line")) == []


def test_every_call_fails_and_the_reply_of_every_write_gets_lost() -> None:
    assert tokens("retry", "-w") == ["A0!fail", "A1!fail", "A1!lost"]
    assert list(map(str, failures(effects("-w", "file")))) == ["A0!fail", "A1!fail"]
    assert failures(effects("ww", "line")) == failures(effects("ww", "sleep")) == []


def test_there_is_a_termination_before_each_effect_after_all_kills() -> None:
    assert tokens("crash", "-w") == ["A1!kill A", "A2!kill A", "A0!terminate A", "A1!terminate A"]


def test_a_termination_is_a_crash() -> None:
    assert family_of(Schedule.parse("A1!terminate A")) == "crash"


def test_lines_are_not_where_a_worker_is_terminated() -> None:
    effects = [Effect("line", "x = 1", durable=True), Effect("sql", "COMMIT", durable=True)]
    schedules = plan("crash", effects)
    assert [str(schedule) for schedule in schedules if "terminate" in str(schedule)] == ["A1!terminate A"]


@given(st.text("-w", max_size=12))
def test_kills_cover_every_class_of_equal_durable_writes(durable: str) -> None:
    killed = {Schedule.parse(token).runs[0].steps for token in tokens("crash", durable) if "kill" in token}
    classes = {position: durable[:position].count("w") for position in range(len(durable) + 1)}
    assert sorted(classes[position] for position in killed if position is not None) == sorted(set(classes.values()))


@pytest.mark.parametrize("steps", range(1, 7))
def test_overlaps_are_all_interleavings_with_one_preemption_up_to_symmetry(steps: int) -> None:
    # Brute force: all interleavings of two copies, by the number of switches away from an unfinished copy.
    found = set()
    for positions in itertools.combinations(range(2 * steps), steps):
        order = ["A" if index in positions else "B" for index in range(2 * steps)]
        left = {"A": steps, "B": steps}
        preemptions, first = 0, order[0] if order else "A"
        for here, following in zip(order, [*order[1:], None], strict=True):
            left[here] -= 1
            preemptions += following is not None and following != here and left[here] > 0
        if preemptions <= 1:
            found.add("".join("A" if letter == first else "B" for letter in order))
    planned = {_played(token, steps) for token in tokens("concurrent", "w" * steps)}
    assert planned == found


def _played(token: str, steps: int) -> str:
    left = {"A": steps, "B": steps}
    order = ""
    for run in Schedule.parse(token).runs:
        count = left[run.copy] if run.steps is None else run.steps
        order += run.copy * count
        left[run.copy] -= count
    return "".join("A" if letter == order[0] else "B" for letter in order)


@pytest.mark.parametrize(
    ("token", "family"),
    [("A A", "duplicate"), ("A B", "concurrent"), ("A3 B A", "concurrent"), ("A2!kill A", "crash"),
     ("A2!kill B", "concurrent"), ("A2!terminate A", "crash"), ("A2!fail A", "retry"), ("A2!lost A", "retry")],
)  # fmt: skip
def test_a_schedule_tells_its_family(token: str, family: str) -> None:
    assert family_of(Schedule.parse(token)) == family


def test_the_nearest_passing_schedule_has_the_same_shape_and_close_positions() -> None:
    passing = [Schedule.parse(token) for token in ("A A", "A1!kill A", "A6!kill A", "A4 B A")]
    assert str(nearest(Schedule.parse("A4!kill A"), passing)) == "A6!kill A"
    assert nearest(Schedule.parse("A4!kill A"), []) is None
