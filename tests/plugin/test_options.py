"""Command line, ini file and markers: what they do, and what they refuse."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Runs

BROKEN = "def test(run_twice): run_twice(jobs.adds, 5)"
MARKED = "@pytest.mark.jobchaos({})\n" + BROKEN


def test_a_marker_can_leave_a_column_out(runs: Runs) -> None:
    runs(MARKED.format("ignore=['users.points']")).assert_outcomes(passed=1)


def test_the_closest_marker_wins(runs: Runs) -> None:
    runs(f"pytestmark = pytest.mark.jobchaos(ignore=['users'])\n{MARKED.format('ignore=[]')}").assert_outcomes(failed=1)


def test_the_ini_file_is_read(runs: Runs, project: pytest.Pytester) -> None:
    project.makeini("[pytest]\njobchaos_ignore =\n    users.points\n    users.nonsense\n")
    runs(BROKEN).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("copy=2", "@pytest.mark.jobchaos has no option 'copy'; known are profile, copies,"),
        ("copies=7", "copies must be a whole number from 1 to 4; got 7"),
        ("granularity='word'", "granularity must be one of auto, effect, line, await; got 'word'"),
        ("3", "@pytest.mark.jobchaos takes keyword arguments only, got (3,)"),
        ("ignore='users'", "ignore must be a list of strings, got 'users'"),
        ("ignore=['a..b']", "a..b"),
    ],
)
def test_bad_markers_are_named(runs: Runs, options: str, text: str) -> None:
    result = runs(MARKED.format(options))
    result.assert_outcomes(failed=1)
    assert text in result.stdout.str().replace("\nE   ", "")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("jobchaos_copies = many", "jobchaos_copies in the ini file must be a number, got 'many'"),
        ("jobchaos_budget = -1", "the ini file: budget must be a whole number"),
        ("jobchaos_profile = slow", "profile must be one of quick, full; got 'slow'"),
    ],
)
def test_bad_ini_values_are_named(runs: Runs, project: pytest.Pytester, line: str, text: str) -> None:
    project.makeini(f"[pytest]\n{line}\n")
    result = runs(BROKEN)
    result.assert_outcomes(failed=1)
    assert text in result.stdout.str()


@pytest.mark.parametrize("name", ["follow", "strict", "torn_writes"])
def test_a_switch_that_is_neither_true_nor_false_is_named_before_any_test_runs(
    runs: Runs, project: pytest.Pytester, name: str
) -> None:
    project.makeini(f"[pytest]\njobchaos_{name} = maybe\n")
    result = runs(BROKEN)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*jobchaos_{name} in the ini file must be true or false*'maybe'*"])


def test_a_budget_that_is_too_small_is_inconclusive(runs: Runs) -> None:
    result = runs("@pytest.mark.jobchaos(budget=1)\ndef test(run_crashing): run_crashing(jobs.sets, 5)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["JC907 *only 0 of * crash schedules were tried*"])


def test_the_full_profile_delivers_more_often(runs: Runs) -> None:
    code = "def test(run_twice): print(run_twice(jobs.sets, 5).claim)"
    runs(code, "-s").stdout.fnmatch_lines(["*<= 2 deliveries*"])
    runs(code, "-s", "--jobchaos").stdout.fnmatch_lines(["*<= 3 deliveries*"])


class TestReplay:
    def test_one_schedule_is_run_and_named(self, runs: Runs) -> None:
        result = runs("def test(jobchaos): jobchaos(jobs.marks_then_adds)", "--jobchaos-replay", "A1!kill A")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["JC303 *"])
        runs("def test(jobchaos): jobchaos(jobs.marks_then_adds)", "--jobchaos-replay", "A A").assert_outcomes(passed=1)

    def test_the_line_that_a_failure_prints_replays_it(self, runs: Runs, project: pytest.Pytester) -> None:
        import shlex

        first = runs("def test(run_crashing): run_crashing(jobs.marks_then_adds)")
        (line,) = {line.split("replay", 1)[1].strip() for line in first.outlines if "pytest --jobchaos-replay" in line}
        second = project.runpytest_inprocess("-p", "no:cacheprovider", *shlex.split(line)[1:])
        second.assert_outcomes(failed=1)
        second.stdout.fnmatch_lines(["JC303 *"])

    @pytest.mark.parametrize(("token", "mark"), [("A3 x A", "*   ^*"), ("", "*^*")])
    def test_a_bad_token_is_pointed_at_before_any_test_runs(self, runs: Runs, token: str, mark: str) -> None:
        result = runs(BROKEN, "--jobchaos-replay", token)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*bad schedule token*", f"*{token}*", mark])


class TestInit:
    def test_it_writes_a_conftest_that_works(self, pytester: pytest.Pytester) -> None:
        result = pytester.runpytest_inprocess("--jobchaos-init")
        assert result.ret == pytest.ExitCode.OK
        assert "jobchaos_stores" in (pytester.path / "conftest.py").read_text()
        pytester.makepyfile("def test(run_twice): assert run_twice")
        pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)

    def test_it_refuses_to_overwrite(self, pytester: pytest.Pytester) -> None:
        pytester.makeconftest("# mine")
        result = pytester.runpytest_inprocess("--jobchaos-init")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert (pytester.path / "conftest.py").read_text().strip() == "# mine"
        result.stderr.fnmatch_lines(["*conftest.py exists and is left as it is*"])


TIMED = """
import contextlib, sqlite3, time
import pytest

@pytest.mark.jobchaos(ignore=["leases"])
def test_pay(jobchaos, tmp_path):
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE leases (until); CREATE TABLE paid (n); INSERT INTO leases VALUES (0)")

    def job():
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            now = time.time()
            if not db.execute("UPDATE leases SET until = ? WHERE until < ?", (now + 60, now)).rowcount:
                raise RuntimeError("busy")
            if not db.execute("SELECT count(*) FROM paid").fetchone()[0]:
                db.execute("INSERT INTO paid VALUES (1)")
            db.execute("UPDATE leases SET until = 0")

    jobchaos(job)
"""


@pytest.mark.thorough
def test_a_lease_that_ran_out_is_found_and_replayed(runs: Runs) -> None:
    found = runs(TIMED)
    found.assert_outcomes(failed=1)
    assert "--jobchaos-replay 'A2 +61s B A'" in found.stdout.str()
    again = runs(TIMED, "--jobchaos-replay", "A2 +61s B A")
    again.assert_outcomes(failed=1)
    assert "JC612" in again.stdout.str()
    runs(TIMED, "--jobchaos-replay", "A2 +58s B A").assert_outcomes(passed=1)


LOOP = """
import sqlite3
from contextlib import closing

def loops(rounds):
    with closing(sqlite3.connect(jobs.path, isolation_level=None)) as db:
        for number in range(rounds):
            db.execute("INSERT OR IGNORE INTO users VALUES (?, 0)", (number,))
"""


def test_advice_fails_a_test_if_it_is_strict(runs: Runs, project: pytest.Pytester) -> None:
    test = f"{LOOP}\ndef test(run_twice): run_twice(loops, 25)"
    runs(test).assert_outcomes(passed=1)
    result = runs(test, "--jobchaos-strict")
    result.assert_outcomes(failed=1)
    headline = "JC715 advice: loops(25): fails, as advice counts here (strict)"
    result.stdout.fnmatch_lines([headline, "advice", "  JC715 loops(25): it does 25 things in a loop *"])
    project.makeini("[pytest]\njobchaos_strict = true\n")
    runs(test).assert_outcomes(failed=1)


def test_a_job_much_larger_than_the_others_is_named_below_the_table(runs: Runs) -> None:
    jobs = "\n".join(f"def job_{number}(): loops(3)" for number in range(4))
    tests = "\n".join(f"def test_{number}(run_twice): run_twice(job_{number})" for number in range(4))
    large = "@pytest.mark.jobchaos(most_rounds=99)\ndef test_large(run_twice): run_twice(loops, 60)"
    result = runs(f"{LOOP}\n{jobs}\n{tests}\n{large}", "--jobchaos")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["JC718 advice: loops has 60 effects, the median of the session's 5 jobs is 3 e*"])
    assert result.ret == pytest.ExitCode.OK
    assert runs(f"{LOOP}\n{jobs}\n{tests}\n{large}", "--jobchaos", "--jobchaos-strict").ret == 1
