"""The fixtures: what passes, what fails, and what counts as a job."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Runs

FIXTURES = ["run_twice", "run_concurrently", "run_crashing", "run_with_timeouts", "run_with_retries", "jobchaos"]


@pytest.mark.parametrize("fixture", FIXTURES)
def test_a_sound_job_passes(runs: Runs, fixture: str) -> None:
    runs(f"def test({fixture}): assert {fixture}(jobs.sets, 5).status == 'holds'").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("fixture", "job", "code", "token"),
    [
        ("run_twice", "jobs.adds, 5", "JC103", "A A"),
        ("run_concurrently", "jobs.checks_then_adds", "JC203", "A1 B A"),
        ("run_crashing", "jobs.marks_then_adds", "JC303", "A1!kill A"),
        ("run_with_retries", "jobs.adds, 5", "JC503", "A0!lost"),
        ("jobchaos", "jobs.marks_then_adds", "JC303", "A1!kill A"),
    ],
)
def test_a_broken_job_fails_with_its_report(runs: Runs, fixture: str, job: str, code: str, token: str) -> None:
    result = runs(f"def test({fixture}): {fixture}({job})")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [f"{code} *", f"*schedule * {token} *", f"*--jobchaos-replay '{token}' test_it.py::test"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "job",
    [
        "jobs.Shop().sets, 5",
        "functools.partial(jobs.sets, 5)",
        "jobs.sets_later, 5",
        "lambda: jobs.sets(5)",
        "Job(jobs.sets, points=5)",
    ],
)
def test_methods_partials_coroutines_and_jobs_are_jobs(runs: Runs, job: str) -> None:
    runs(f"import functools\nfrom jobchaos import Job\ndef test(jobchaos): jobchaos({job})").assert_outcomes(passed=1)


def test_the_state_afterwards_is_that_of_one_delivery(runs: Runs) -> None:
    runs("""
import sqlite3
from contextlib import closing

def test(run_twice):
    with pytest.raises(AssertionError, match="JC103"):
        run_twice(jobs.adds, 5)
    with closing(sqlite3.connect(jobs.path)) as db:
        assert db.execute("SELECT points FROM users").fetchall() == [(5,)]
""").assert_outcomes(passed=1)


def test_every_attempt_gets_its_own_copy_of_the_arguments(runs: Runs) -> None:
    runs("""
def job(order):
    jobs.sets(order["points"])
    order["points"] += 1

def test(jobchaos):
    order = {"points": 5}
    jobchaos(job, order)
    assert order == {"points": 5}
""").assert_outcomes(passed=1)


def test_the_errors_are_told_apart(runs: Runs) -> None:
    runs("""
from jobchaos import InconclusiveError, JobChaosError, UsageError

def test(run_twice):
    with pytest.raises(UsageError, match="missing a required argument: 'points'"):
        run_twice(jobs.sets)
    with pytest.raises(InconclusiveError, match="JC903"):
        run_twice(jobs.sets, "nonsense")
    with pytest.raises(JobChaosError, match="JC103") as failure:
        run_twice(jobs.adds, 5)
    assert failure.value.verdict.findings[0].code == "JC103"
    assert not isinstance(failure.value, InconclusiveError)
""").assert_outcomes(passed=1)


def test_several_checks_in_one_test(runs: Runs) -> None:
    result = runs(
        "def test(run_twice, run_crashing): run_twice(jobs.sets, 5); run_crashing(jobs.marks_then_adds)", "--jobchaos"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*marks_then_adds()*FAILS JC303*", "*sets(5)*holds*"])


def test_the_users_own_stores(runs: Runs) -> None:
    result = runs("""
from jobchaos import FunctionStore

state = {"n": 0}

@pytest.fixture
def jobchaos_stores():
    def reset():
        state["n"] = 0
    return [FunctionStore(snapshot=lambda: dict(state), reset=reset, name="counter")]

def count():
    jobs.sets(5)
    state["n"] += 1

def test(run_twice):
    run_twice(count)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["JC103 *", "*counter*"])


def test_under_given_hypothesis_draws_the_arguments(runs: Runs) -> None:
    result = runs("""
from hypothesis import Phase, given, settings, strategies as st

drawn = set()

@settings(max_examples=20, deadline=None, database=None)
@given(points=st.integers(0, 3))
def test(jobchaos, points):
    drawn.add(points)
    jobchaos(jobs.sets, points)

@settings(max_examples=5, deadline=None, database=None, print_blob=False, phases=[Phase.generate, Phase.shrink])
@given(points=st.integers(0, 3))
def test_broken(run_twice, points):
    run_twice(jobs.adds, points)

def test_afterwards():
    assert drawn == {0, 1, 2, 3}
""")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*JC103*adds(1)*", "*test_broken(", "*run_twice=run_twice,", "*points=1,"])


def test_a_test_inside_a_class_with_parameters(runs: Runs) -> None:
    result = runs("""
class TestJobs:
    @pytest.mark.parametrize("points", [1, 2])
    def test_it(self, run_twice, points):
        run_twice(jobs.adds, points)
""")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*--jobchaos-replay 'A A' 'test_it.py::TestJobs::test_it?1?'"])


def test_a_fixture_used_outside_a_test_says_so(runs: Runs) -> None:
    result = runs("""
@pytest.fixture(scope="session")
def late(run_twice):
    yield
    run_twice(jobs.sets, 5)

def test(late): pass
""")
    assert result.ret != 0 or "can only be called while a test runs" in result.stdout.str()


def test_a_test_that_has_frozen_the_time_itself(runs: Runs, project: pytest.Pytester) -> None:
    """In a process of its own, which imports jobchaos when the time is frozen already."""
    project.makepyfile(
        test_it="""
        import datetime
        import freezegun
        import jobs

        def notes_the_day():
            jobs.sets(datetime.date.today().toordinal())

        @freezegun.freeze_time("2020-02-29 12:00")
        def test_frozen(run_twice):
            verdict = run_twice(notes_the_day)
            assert 0 <= verdict.seconds < 60
            assert jobs.points() == datetime.date(2020, 2, 29).toordinal()
            assert datetime.date.today().year == 2020

        def test_afterwards():
            assert datetime.date.today().year > 2020
        """
    )
    (project.path / "jobs.py").write_text((project.path / "jobs.py").read_text() + POINTS)
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_different_jobs_overlap(runs: Runs) -> None:
    result = runs("""
from jobchaos import Job

def test_lost(run_concurrently):
    run_concurrently(Job(jobs.checks_then_adds), Job(jobs.sets, 3))

def test_sound(run_concurrently):
    assert run_concurrently(Job(jobs.adds, 1), Job(jobs.adds, 2), Job(jobs.adds, 4)).job.count(" with ") == 2
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "JC205 concurrent: checks_then_adds() with sets(3) leaves users.points = 13, *",
            "  state against *",
            "  lost update: A reads users (jobs.py:*) -> B writes users (jobs.py:*) -> A writes users (jobs.py:*)",
            "  A is checks_then_adds(), B is sets(3)",
            "  replay     pytest --jobchaos-replay 'A1 B A' test_it.py::test_lost",
        ]
    )


@pytest.mark.parametrize("fixture", ["run_twice", "run_crashing", "jobchaos"])
def test_other_fixtures_refuse_different_jobs(runs: Runs, fixture: str) -> None:
    result = runs(f"""
from jobchaos import Job

def test({fixture}):
    {fixture}(Job(jobs.adds, 1), Job(jobs.sets, 2))
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*UsageError: adds(1) with sets(2): different jobs*Use run_concurrently(Job(a, 1), Job(b, 2))*"]
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("Job(jobs.adds, 1), jobs.sets_later", "sets_later follows a Job; *Job(sets_later, ...))"),
        ("Job(jobs.adds, 1), 2", "adds is a Job and carries its own arguments; got further ones: 2"),
        ("Job(jobs.adds, 1), Job(jobs.sets, 2), points=3", "adds is a Job and carries its own arguments; *points=3"),
        ("Job(jobs.adds, 1), Job(jobs.sets, 2), 3", "adds is a Job and carries its own arguments; *3"),
    ],
)
def test_a_mixture_of_jobs_and_arguments_is_refused(runs: Runs, arguments: str, error: str) -> None:
    result = runs(f"""
from jobchaos import Job

def test(run_concurrently):
    run_concurrently({arguments})
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*UsageError: {error}"])


POINTS = """

def points():
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT points FROM users").fetchone()[0]
"""


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("run_twice()", "no job was given, or None, as when it was called already: run_twice(send_invoice(42))*"),
        ("run_twice(jobs.sets(5))", "no job was given, or None*"),
        ("run_twice('jobs.sets')", "a job must be callable, but got 'jobs.sets' of type str*"),
        ("run_twice(jobs.sets)", "sets() cannot be called: missing a required argument: 'points'*"),
        ("run_twice(lambda: (yield))", "* is a generator function: to call it runs none of its lines*"),
        ("run_twice(jobs.sets, (n for n in []))", "argument 1 of sets, *, cannot be copied *"),
    ],
)
def test_a_mistake_in_the_test_is_told_without_our_own_code(runs: Runs, call: str, said: str) -> None:
    result = runs(f"def test(run_twice):\n    {call}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f">*{call}", f"E*UsageError: {said}", "test_it.py:*: UsageError"])
    result.stdout.no_fnmatch_line("*Checker.__call__*")


@pytest.mark.parametrize(
    ("stores", "said"),
    [
        ("'app.db'", "the fixture jobchaos_stores must return a list of stores; it returned 'app.db'"),
        ("['app.db']", "'app.db' is not a store. Give SQLiteStore(path)*"),
    ],
)
def test_what_is_no_store_is_refused(runs: Runs, stores: str, said: str) -> None:
    result = runs(
        f"@pytest.fixture\ndef jobchaos_stores(): return {stores}\ndef test(run_twice): run_twice(jobs.sets, 1)"
    )
    result.stdout.fnmatch_lines([f"E*UsageError: {said}"])


WAITS = """
import sqlite3
from contextlib import closing

def job(within=10):
    with closing(sqlite3.connect(jobs.path, timeout=within)) as db, db:
        db.execute("UPDATE users SET points = 5")
"""


def test_the_time_that_a_job_may_take_is_the_fixtures_keyword(runs: Runs) -> None:
    result = runs(f"{WAITS}\ndef test(run_with_timeouts): run_with_timeouts(job, within=9)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["JC402 timeout: job() waits 10 s when app.db stays locked *"])
    runs(f"{WAITS}\ndef test(run_with_timeouts): run_with_timeouts(job, within=10)").assert_outcomes(passed=1)


def test_a_job_with_an_argument_of_that_name_gets_it_by_a_job_object(runs: Runs) -> None:
    test = "def test(run_with_timeouts): run_with_timeouts(Job(job, within={}), within=9)"
    runs(f"from jobchaos import Job\n{WAITS}\n{test.format(8)}").assert_outcomes(passed=1)
    runs(f"from jobchaos import Job\n{WAITS}\n{test.format(11)}").assert_outcomes(failed=1)


def test_it_is_a_setting_too(runs: Runs, project: pytest.Pytester) -> None:
    project.makeini("[pytest]\njobchaos_within = 9\n")
    runs(f"{WAITS}\ndef test(run_with_timeouts): run_with_timeouts(job)").assert_outcomes(failed=1)
    marked = "@pytest.mark.jobchaos(within=10)\ndef test(run_with_timeouts): run_with_timeouts(job)"
    runs(f"{WAITS}\n{marked}").assert_outcomes(passed=1)


def test_what_is_no_time_is_refused_where_it_was_written(runs: Runs) -> None:
    result = runs(f"{WAITS}\ndef test(run_with_timeouts): run_with_timeouts(job, within=0)")
    result.assert_outcomes(failed=1)
    text = "run_with_timeouts: within must be a number of seconds above 0, got 0"
    assert text in result.stdout.str().replace("\nE   ", "")


def test_a_job_may_know_its_test_case(runs: Runs) -> None:
    """Behind `self` is the whole session: it is no state of the job, but what the test itself keeps there is."""
    runs("""
import unittest

class Test(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, run_twice, request, tmp_path):
        self.run_twice, self.request, self.path = run_twice, request, tmp_path / "file"

    def setUp(self):
        self.calls = []

    def test_a_sound_job(self):
        def job():
            self.path.write_text("done")
        assert self.run_twice(job).status == "holds"

    def test_state_that_it_keeps(self):
        def job():
            self.calls.append("again")
        with self.assertRaisesRegex(AssertionError, '(?s)JC103 duplicate: .* self  ~ "calls"'):
            self.run_twice(job)
""").assert_outcomes(passed=2)
