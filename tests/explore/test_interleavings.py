"""The reduced exploration against brute force, on modelled jobs."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.explore.brute_force import BruteForce
from tests.explore.model import Machine, Program, State, Step, execute, program
from tests.explore.reduced import explore, happened, observed

REFERENCE = program("R idem, R order, S order, S idem, S http, S ledger, R stock, S stock, S mail, S order")
"""As it is: what one copy has written, another one writes in vain."""
NEVER_IN_VAIN = program("R idem, R order, W order, W idem, W http, W ledger, R stock, W stock, W mail, W order")
"""The same with writes that each change something."""


def brute_force(
    programs: dict[str, Program], preemptions: int, kills: int, *, identical: bool
) -> tuple[int, set[State]]:
    states = [machine.state for machine in BruteForce(programs, identical).executions(preemptions, kills)]
    return len(states), set(states)


@pytest.mark.parametrize(
    ("job", "copies", "preemptions", "kills", "run", "classes", "everything"),
    [
        (REFERENCE, "AB", 1, 0, 9, 18, 10),
        (REFERENCE, "AB", 2, 0, 35, 70, 91),
        (REFERENCE, "ABC", 1, 0, 9, 51, 28),
        (REFERENCE, "ABC", 2, 0, 66, 387, 550),
        (REFERENCE, "AB", 1, 1, 99, 198, 445),
        (REFERENCE, "AB", 2, 1, 353, 706, 4531),
        (NEVER_IN_VAIN, "AB", 1, 0, 10, 20, 10),
        (NEVER_IN_VAIN, "AB", 2, 0, 48, 96, 91),
        (NEVER_IN_VAIN, "ABC", 1, 0, 28, 168, 28),
        (NEVER_IN_VAIN, "ABC", 2, 0, 394, 2364, 550),
        (NEVER_IN_VAIN, "AB", 1, 1, 300, 600, 445),
        pytest.param(NEVER_IN_VAIN, "AB", 2, 1, 1785, 3570, 4531, marks=pytest.mark.thorough),
    ],
    ids=lambda value: "" if isinstance(value, tuple) else str(value),
)
def test_the_reference_job_takes_as_many_runs_as_it_has_histories(
    job: Program, copies: str, preemptions: int, kills: int, run: int, classes: int, everything: int
) -> None:
    programs = dict.fromkeys(copies, job)
    reduced = explore(programs, preemptions, kills, identical=True)
    assert (len(reduced.run), reduced.classes) == (run, classes)
    assert (everything, reduced.states) == brute_force(programs, preemptions, kills, identical=True)


def assert_complete(programs: dict[str, Program], preemptions: int, kills: int, *, identical: bool) -> None:
    """Every state is found, nothing is planned twice, and what is foretold would happen."""
    reduced = explore(programs, preemptions, kills, identical=identical)
    assert len(set(reduced.planned)) == len(reduced.planned)
    for schedule, entries in reduced.foretold:
        machine = Machine(programs)
        assert happened(entries) == observed(execute(machine, schedule))
        assert machine.state in reduced.states
    assert reduced.states == brute_force(programs, preemptions, kills, identical=identical)[1]


def test_nobody_pauses_before_what_is_private_to_the_attempt() -> None:
    own = {letter: program(f"R x, W temporary:{letter}, W temporary:{letter}/a, W x") for letter in "AB"}
    assert_complete(own, 2, 0, identical=False)
    shared = program("R x, W x")
    assert len(explore(own, 2, 0, identical=False).run) == len(
        explore({"A": shared, "B": shared}, 2, 0, identical=False).run
    )


def test_a_copy_that_waits_for_a_lock_is_killed_too() -> None:
    # Only so can the other one, in the middle of its transaction, see what two attempts have left.
    waiting = (Step("append", "x"), Step("begin"), Step("commit"))
    looking = (Step("begin"), Step("read", "x"), Step("read", "x"), Step("write", "z"), Step("commit"))
    assert_complete({"A": waiting, "B": looking}, 1, 1, identical=False)


KEYS = st.sampled_from(["x", "y"])
WRITES = st.builds(Step, st.just("write"), KEYS)
STEPS = (
    WRITES
    | st.builds(Step, st.just("read"), KEYS, st.sampled_from(["", "stop"]))
    | st.builds(Step, st.just("append"), KEYS)
    | st.builds(Step, st.sampled_from(["begin", "commit"]))
)
# How often a job that fails is tried again is not a matter of the bound, so it must leave no mark.
FAILING = st.builds(Step, st.just("set"), KEYS) | st.builds(Step, st.just("read"), KEYS, st.sampled_from(["", "raise"]))


def programs(steps: st.SearchStrategy[Step], most: int) -> st.SearchStrategy[Program]:
    return st.lists(steps, min_size=1, max_size=most).map(tuple)


PREEMPTIONS, KILLS = st.integers(0, 2), st.integers(0, 1)
thoroughly = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@thoroughly
@given(job=programs(STEPS, 5), preemptions=PREEMPTIONS, kills=KILLS)
def test_two_copies_of_a_job(job: Program, preemptions: int, kills: int) -> None:
    assert_complete({"A": job, "B": job}, preemptions, kills, identical=True)


@thoroughly
@given(one=programs(STEPS, 4), other=programs(STEPS, 4), preemptions=PREEMPTIONS, kills=KILLS)
def test_two_jobs(one: Program, other: Program, preemptions: int, kills: int) -> None:
    assert_complete({"A": one, "B": other}, preemptions, kills, identical=False)


@thoroughly
@given(job=programs(STEPS, 2), preemptions=PREEMPTIONS, kills=KILLS)
def test_three_copies_of_a_job(job: Program, preemptions: int, kills: int) -> None:
    assert_complete(dict.fromkeys("ABC", job), preemptions, kills, identical=True)


@thoroughly
@given(jobs=st.tuples(*[programs(STEPS, 3)] * 3), preemptions=PREEMPTIONS)
def test_three_jobs(jobs: tuple[Program, ...], preemptions: int) -> None:
    assert_complete(dict(zip("ABC", jobs, strict=True)), preemptions, 0, identical=False)


@thoroughly
@given(one=programs(FAILING, 3), other=programs(FAILING, 2), preemptions=st.integers(0, 1), kills=KILLS)
def test_two_jobs_that_fail(one: Program, other: Program, preemptions: int, kills: int) -> None:
    assert_complete({"A": one, "B": other}, preemptions, kills, identical=False)
