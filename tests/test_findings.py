"""What failed becomes one finding a code: minimal, replayed, beside what passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobchaos.core.finding import Finding
from jobchaos.core.schedule import Schedule
from jobchaos.findings import Family, Findings
from jobchaos.trials import Covered, run_plan
from tests.oracle.builders import LEDGERS
from tests.scripted import ScriptedRunner, Shelf, trials

PLAN = [Schedule.parse(token) for token in ("A B", "A1 B A", "A2 B A", "A1 B1 A1 B A")]


def concluded(runner: ScriptedRunner, *, shrink: bool = True, replays: int = 2) -> Family:
    mine = trials(runner)
    covered = run_plan(mine, "concurrent", PLAN, "two copies")
    return Findings(mine, LEDGERS, replays, identical=True).conclude(covered, shrink=shrink)


def fails_if(condition: Callable[[str], bool]) -> ScriptedRunner:
    return ScriptedRunner(lambda token: 20 if condition(token) else 10)


def only(family: Family) -> Finding:
    (finding,) = family.findings
    return finding


def test_nothing_fails() -> None:
    family = concluded(fails_if(lambda _: False))
    assert family.findings == ()
    assert (family.result.status, family.result.run, family.result.failing) == ("holds", 4, 0)
    assert family.result.claim == "two copies"


def test_the_simplest_failing_schedule_stands_for_all_of_its_code() -> None:
    family = concluded(fails_if(lambda token: "A1 B" in token))
    finding = only(family)
    assert (finding.code, str(finding.schedule), finding.failing, finding.total) == ("JC203", "A1 B A", 2, 4)
    assert (family.result.status, family.result.failing) == ("fails", 2)
    assert finding.fix
    assert finding.diff is not None
    assert [change.store for change in finding.diff.changes] == ["app.db"]


def test_it_is_made_simpler_than_what_was_run() -> None:
    runner = fails_if(lambda token: token in ("A1 B1 A1 B A", "B1 A1 B A"))
    assert str(only(concluded(runner)).schedule) == "B1 A1 B A"
    assert "B1 A1 B A" in runner.asked


def test_but_not_if_just_this_one_was_asked_for() -> None:
    runner = fails_if(lambda token: token in ("A1 B1 A1 B A", "B1 A1 B A"))
    assert str(only(concluded(runner, shrink=False)).schedule) == "A1 B1 A1 B A"
    assert "B1 A1 B A" not in runner.asked


def test_it_is_shown_beside_the_nearest_that_passes() -> None:
    assert str(only(concluded(fails_if(lambda token: token == "A2 B A"))).nearest) == "A1 B A"


def test_it_is_replayed() -> None:
    runner = fails_if(lambda token: token == "A2 B A")
    assert only(concluded(runner, replays=3)).replays == (3, 3)
    assert runner.asked[-3:] == ["A2 B A"] * 3


def test_what_does_not_fail_again_is_no_finding_against_the_job() -> None:
    seen: list[str] = []

    def at_first(token: str) -> int:
        seen.append(token)
        return 20 if token == "A2 B A" and seen.count(token) <= 2 else 10

    family = concluded(ScriptedRunner(at_first))
    finding = only(family)
    assert (finding.code, finding.replays) == ("JC908", (0, 2))
    assert "only in 0 of 2 replays" in finding.message
    assert family.result.status == "inconclusive"


def test_a_schedule_found_by_exploring_is_remembered() -> None:
    shelf = Shelf()
    mine = trials(fails_if(lambda token: token == "A1 B A"), memory=shelf)
    covered = run_plan(mine, "concurrent", PLAN, "")
    covered.explored = True
    Findings(mine, LEDGERS, 1, identical=True).conclude(covered, shrink=True)
    assert [str(schedule) for schedule in shelf.recall()] == ["A1 B A"]


@pytest.mark.parametrize(
    ("sampled", "told"),
    [
        ((0, 0), "only 0 of 9 concurrent schedules were tried"),
        ((5, 700), "covered only one pause, and sampled 5 of about 700 concurrent schedules beyond"),
    ],
)
def test_what_the_budget_cut_is_inconclusive_and_says_how_much(sampled: tuple[int, int], told: str) -> None:
    covered = Covered("concurrent", "one pause", planned=9, complete=False, sampled=sampled)
    family = Findings(trials(fails_if(lambda _: False)), LEDGERS, 1, identical=True).conclude(covered, shrink=True)
    finding = only(family)
    assert (finding.code, family.result.status) == ("JC907", "inconclusive")
    assert told in finding.message
    assert "lower copies=, preemptions= or kills=" in finding.message


def test_a_run_that_is_stuck_is_told_as_such() -> None:
    runner = ScriptedRunner(lambda _: 10, stuck="at jobs.py:3 in pays()")
    finding = only(concluded(runner))
    assert finding.code == "JC904"
    assert finding.message.endswith("did not reach its next step in time, at jobs.py:3 in pays()")
    assert runner.asked == ["A B"]
