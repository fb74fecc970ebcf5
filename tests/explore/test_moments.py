"""Moments: where time passes, and how much of it."""

from __future__ import annotations

import pytest

from jobchaos.core.effect import Effect, Mode, Touch
from jobchaos.core.trace import Happening, Trace, TraceEvent
from jobchaos.explore.moments import Moments

SECOND = 10**9
HOUR = 3600 * SECOND
WRITE = Effect("sql", "UPDATE", (Touch("sql:app.db/t", Mode.WRITE),), True)


def effect(at: int = 0) -> TraceEvent:
    return TraceEvent(Happening.EFFECT, "A", 1, WRITE, "", at * SECOND)


def happens(happening: Happening, at: int = 0, until: int = 0, name: str = "lease:x") -> TraceEvent:
    detail = "" if happening is Happening.DEADLINE else name
    return TraceEvent(happening, "A", 1, None, detail, at * SECOND, until=until * SECOND)


def started() -> TraceEvent:
    return TraceEvent(Happening.DELIVERED, "A", 1, None, "", 0)


def tokens(*events: TraceEvent, preemptions: int = 1, skew: int = 0, stated: tuple[int, ...] = ()) -> list[str]:
    moments = Moments(Trace((started(), *events)), [seconds * SECOND for seconds in stated], HOUR, looks=False)
    return [str(schedule) for schedule in moments.schedules(preemptions, skew * SECOND)]


LEASED = happens(Happening.LEASED, until=60)
RELEASED = happens(Happening.RELEASED)


def test_a_lease_runs_out_at_every_step_until_it_is_freed() -> None:
    assert tokens(effect(), LEASED, effect(), effect(), RELEASED, effect()) == [
        "A +61s A",
        *(f"A{step}!kill +61s A" for step in (0, 1, 2)),
        *(f"A{step} +61s B A" for step in (0, 1, 2)),
    ]


def test_time_that_the_job_takes_itself_counts() -> None:
    found = tokens(effect(), LEASED, effect(20), effect(20), RELEASED)
    assert "A1 +61s B A" in found
    assert "A2 +41s B A" in found


def test_a_lease_that_is_renewed_runs_out_anew() -> None:
    renewed = happens(Happening.LEASED, 20, 80)
    found = tokens(effect(), LEASED, effect(20), renewed, effect(20), happens(Happening.RELEASED, 20))
    assert "A1 +61s B A" in found
    assert "A2 +61s B A" in found
    assert "A2 +41s B A" not in found


def test_nothing_runs_out_of_what_is_over_already() -> None:
    assert "A2" not in " ".join(tokens(effect(), LEASED, effect(90), effect(90)))


def test_without_any_time_there_is_nothing_to_try() -> None:
    assert tokens(effect(), effect()) == []
    assert tokens(effect(), effect(), stated=(30,)) == []  # a job that asks for no time cannot tell how late it is
    assert tokens() == []


def test_what_the_queue_does_by_the_clock_is_tried_if_time_matters() -> None:
    found = tokens(effect(), LEASED, effect(), RELEASED, stated=(30,))
    assert {"A0 +31s B A", "A1 +31s B A", "A +31s A"} <= set(found)


def test_what_is_far_off_is_left_out_and_told() -> None:
    moments = Moments(Trace((started(), effect(), happens(Happening.LEASED, until=3601))), [], HOUR, looks=True)
    assert moments.schedules(1, 0) == []
    assert moments.left_out == [3601 * SECOND]


def test_who_writes_down_the_time_may_look_later_how_long_ago_that_was() -> None:
    mark = happens(Happening.DEADLINE)
    assert tokens(effect(), mark, effect())[0] == "A +3601s A"
    stated = happens(Happening.DEADLINE, until=10)
    assert tokens(effect(), mark, stated, effect())[0] == "A +11s A"


def test_a_lease_is_not_tried_again_as_a_deadline() -> None:
    stated = happens(Happening.DEADLINE, until=60)
    assert tokens(effect(), stated, LEASED, effect(), RELEASED) == tokens(effect(), LEASED, effect(), RELEASED)


def test_more_pauses_let_both_go_on_and_a_third_get_what_was_freed() -> None:
    found = tokens(effect(), LEASED, effect(), RELEASED, preemptions=2)
    assert "A1 +58s B A" in found
    assert "A0 +61s B1 A B" in found
    assert "A1 +61s B1 A C B" in found


def test_a_fast_clock_is_early_and_a_slow_one_late() -> None:
    found = tokens(effect(), LEASED, effect(), RELEASED, skew=5)
    assert "@B+5s A1 +58500ms B A" in found
    assert "@B-5s A1 +61s B A" in found


@pytest.mark.parametrize("count", [1, 4, 9])
def test_a_job_that_states_many_times_is_not_tried_with_all(count: int) -> None:
    stated = [happens(Happening.DEADLINE, until=10 * (number + 1)) for number in range(count)]
    moments = Moments(Trace((started(), effect(), *stated, effect())), [], HOUR, looks=True)
    assert len(moments.spans) == min(count, 4)
    assert len(moments.left_out) == max(0, count - 4)


def test_different_jobs_meet_while_the_time_of_one_runs_out() -> None:
    begun = started()._replace(at=5 * SECOND)
    of_b = [event._replace(copy="B") for event in (begun, effect(5), happens(Happening.LEASED, 5, 65))]
    trace = Trace((started(), effect(), *of_b, effect(5)._replace(copy="B")))
    found = Moments(trace, (), HOUR, looks=True, letter="B").meeting(["A", "C"])
    assert [str(schedule) for schedule in found] == ["B0 +61s A C B", "B1 +61s A C B"]
    assert Moments(trace, (), HOUR, looks=True, letter="A").meeting(["B", "C"]) == []
