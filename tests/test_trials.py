"""Schedules are run and judged, each at most once, within a budget."""

from __future__ import annotations

from collections.abc import Callable

from jobchaos.core.budget import Budget
from jobchaos.core.events import Event, PlanReady, ScheduleRun
from jobchaos.core.schedule import Schedule
from jobchaos.trials import Covered, run_plan
from tests.scripted import ScriptedRunner, Shelf, trials

PLAN = [Schedule.parse(" ".join("A" * number)) for number in (2, 3, 4, 5)]


def sums(token: str) -> int:
    return 10 * token.count("A")


def right(_token: str) -> int:
    return 10


def test_a_plan_is_run_whole_and_each_schedule_judged() -> None:
    events: list[Event] = []
    covered = run_plan(trials(ScriptedRunner(sums), events=events), "duplicate", PLAN, "some deliveries")
    assert [trial.code for trial in covered.trials] == ["JC103"] * 4
    assert (covered.planned, covered.complete, covered.claim) == (4, True, "some deliveries")
    assert events[0] == PlanReady("pays()", "duplicate", 4)
    assert events[1:] == [ScheduleRun("pays()", "duplicate", schedule, False) for schedule in PLAN]


def test_a_driver_chooses_the_order_and_nothing_is_run_twice() -> None:
    def backwards(name: str, size: int, fails: Callable[[int], bool], most: int) -> None:
        assert (name, size) == ("duplicate", 4)
        assert most >= size
        assert not any(fails(index) for index in (3, 2, 3))

    runner = ScriptedRunner(right)
    covered = run_plan(trials(runner, driver=backwards), "duplicate", PLAN, "")
    assert runner.asked == ["A A A A A", "A A A A", "A A", "A A A"]
    assert [trial.schedule for trial in covered.trials] == PLAN


def test_a_budget_of_schedules_cuts_the_plan_and_says_so() -> None:
    covered = run_plan(trials(ScriptedRunner(right), budget=Budget(3)), "duplicate", PLAN, "")
    assert (len(covered.trials), covered.planned, covered.complete) == (3, 4, False)


def test_each_family_has_the_whole_budget() -> None:
    both = trials(ScriptedRunner(right), budget=Budget(4))
    assert run_plan(both, "duplicate", PLAN, "").complete
    assert both.exhausted
    assert run_plan(both, "crash", PLAN, "").complete
    assert both.runs == 8


def test_a_budget_of_time_that_is_over_runs_nothing() -> None:
    covered = run_plan(trials(ScriptedRunner(right), budget=Budget(100, 1e-9)), "duplicate", PLAN, "")
    assert (covered.trials, covered.complete) == ([], False)


def test_a_run_that_is_stuck_is_the_last_one() -> None:
    runner = ScriptedRunner(right, stuck="at jobs.py:3 in pays()")
    covered = run_plan(trials(runner), "duplicate", PLAN, "")
    assert [trial.code for trial in covered.trials] == ["JC904"]
    assert not covered.complete


def test_what_runs_look_at_is_remembered() -> None:
    oddities = (("JC906", "starts a thread"),)
    looking = trials(ScriptedRunner(right, read_clock=True, read_attempt=True, oddities=oddities))
    run_plan(looking, "duplicate", PLAN, "")
    assert list(looking.looks_at) == ["the time", "its attempt number"]
    assert list(looking.oddities) == list(oddities)


def test_a_schedule_that_failed_before_is_replayed_and_forgotten_once_it_holds() -> None:
    shelf = Shelf("A A A", "A A")
    failing = trials(ScriptedRunner(lambda token: 10 if token == "A A" else 30), memory=shelf).remembered("duplicate")
    assert [str(trial.schedule) for trial in failing] == ["A A A"]
    assert {str(schedule): fails for schedule, fails in shelf.fails.items()} == {"A A": False, "A A A": True}
    covered = Covered("duplicate")
    covered.add_remembered(failing)
    assert (covered.planned, covered.trials) == (1, failing)
    assert not trials(ScriptedRunner(right), memory=shelf).remembered("duplicate")
    assert shelf.recall() == []
