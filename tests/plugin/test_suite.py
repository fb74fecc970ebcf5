"""Zero-change mode: an unchanged suite, some of whose tasks do not survive a second delivery."""

from __future__ import annotations

import json
import unittest.mock  # noqa: F401 - see conftest.py
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

import jobchaos.pytest_plugin.suite
import jobchaos.suite.review  # noqa: F401 - see conftest.py
from tests.adapters.small_suite import causes
from tests.plugin import tiny
from tests.plugin.conftest import Runs
from tests.plugin.test_output import table

SCHEMA = Path(__file__).parents[2] / "docs/reference/report.schema.json"

TASKS = """
import smtplib
import sqlite3
from contextlib import closing

import jobs
from tiny import task

client = None

@task
def adds(points):
    jobs.adds(points)

@task
def sets(points):
    jobs.sets(points)

@task
def marks_then_adds():
    jobs.marks_then_adds()

@task
def checks_then_adds():
    jobs.checks_then_adds()

@task
def parent():
    adds.delay(1)

@task
def notifies():
    client.notify(1)

@task
def fails():
    jobs.sets(1)
    raise ValueError("no")

@task
async def adds_later(points):
    jobs.adds(points)

@task
def tidies():
    try:
        jobs.run("INSERT OR IGNORE INTO users VALUES (7, 0)")
        jobs.run("UPDATE users SET points = 2 WHERE id = 1")
    except SystemExit:
        jobs.run("INSERT INTO users (points) VALUES (99)")
        raise
"""

POINTS = """
import tasks
from contextlib import closing
import sqlite3

def points():
    with closing(sqlite3.connect(jobs.path)) as db:
        return db.execute("SELECT points FROM users WHERE id = 1").fetchone()[0]
"""

BROKEN_AND_SOUND = (
    POINTS
    + """
def test_adds():
    tasks.adds.delay(5)
    assert points() == 5

def test_sets():
    tasks.sets.delay(5)
    assert points() == 5

def test_nothing():
    assert points() == 0
"""
)


@pytest.fixture
def suite(runs: Runs, project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """`suite(test_code, *options)`: run a suite that uses a tiny job system."""
    monkeypatch.setattr("jobchaos.adapters.present", tiny.present)
    project.makepyfile(tiny=tiny.MODULE, tasks=TASKS)

    def run(code: str, *options: str) -> pytest.RunResult:
        return runs(POINTS + code if "def points" not in code else code, *(options or ("--jobchaos",)))

    return run


def test_exactly_the_broken_task_is_reported(suite: Runs) -> None:
    result = suite(BROKEN_AND_SOUND)
    assert causes(result) == [("JC103", "A", "tasks.adds")]
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=3)


def test_the_headline_counts(suite: Runs) -> None:
    suite(BROKEN_AND_SOUND).stdout.fnmatch_lines(
        ["Tiny: 2 of 3 tests execute tasks, 2 of them replayed in * 1 cause found"]
    )


def test_a_cause_reads_like_a_review(suite: Runs) -> None:
    suite(BROKEN_AND_SOUND).stdout.fnmatch_lines(
        [
            "JC103 ?A? tasks.adds  tasks.py:10",
            "   problem     delivered twice, it leaves another state than a single delivery (A A)",
            "   effects     UPDATE users SET points = points + 5  jobs.py:*",
            "   state       users  ~ id=1  points: 5 -> 10",
            "   test says   assert 10 == 5*",
            "   shown by    test_it.py::test_adds",
            "   replay      pytest --jobchaos-only tasks.adds --jobchaos-replay 'A A' test_it.py::test_adds",
            "   usual fix   look first whether the work is done already*",
        ]
    )


def test_sound_tasks_pass(suite: Runs) -> None:
    result = suite("def test(): tasks.sets.delay(5); assert points() == 5")
    assert causes(result) == []
    assert result.ret == pytest.ExitCode.OK


def test_a_window_between_mark_and_work_is_found_and_told_apart(suite: Runs) -> None:
    result = suite("def test(): tasks.marks_then_adds.delay(); assert points() == 10")
    assert causes(result) == [("JC303", "A", "tasks.marks_then_adds")]
    result.stdout.fnmatch_lines(
        ["*killed midway*", "*there is a guard*", "*real * with*late=True. Today a kill loses*"]
    )


def test_a_race_past_a_guard_is_found(suite: Runs) -> None:
    result = suite("def test(): tasks.checks_then_adds.delay(); assert points() == 10")
    assert causes(result) == [("JC203", "A", "tasks.checks_then_adds")]
    result.stdout.fnmatch_lines(["*delivered to two workers at once*(A1 B A)*", "*guard against duplicates*"])


def test_the_replay_line_shows_it_again(suite: Runs, project: pytest.Pytester) -> None:
    suite("def test(): tasks.marks_then_adds.delay(); assert points() == 10")
    result = suite(
        "def test(): tasks.marks_then_adds.delay(); assert points() == 10",
        *("--jobchaos-only", "tasks.marks_then_adds", "--jobchaos-replay", "A1!kill A", "test_it.py::test"),
    )
    assert causes(result) == [("JC303", "A", "tasks.marks_then_adds")]
    result.stdout.fnmatch_lines(["*1 of them replayed in 3 runs*"])


def test_causes_are_grouped_over_tests(suite: Runs) -> None:
    result = suite(
        """
@pytest.mark.parametrize("n", range(6))
def test(n):
    tasks.adds.delay(n + 1)
"""
    )
    assert causes(result) == [("JC103", "A", "tasks.adds")]
    result.stdout.fnmatch_lines(["*6 of 6 tests execute tasks, 2 of them replayed in 6 runs*"])


def test_the_innermost_task_is_to_blame(suite: Runs) -> None:
    assert causes(suite("def test(): tasks.parent.delay(); assert points() == 1")) == [("JC103", "A", "tasks.adds")]


def test_call_counts_alone_are_folded_and_do_not_gate(suite: Runs) -> None:
    result = suite(
        """
from unittest import mock

def test(monkeypatch):
    monkeypatch.setattr(tasks, "client", mock.Mock())
    tasks.notifies.delay()
    tasks.client.notify.assert_called_once()
"""
    )
    assert causes(result) == []
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["JC941 ?C? in 1 test only call counts*", "   tasks.notifies: *Called 2 times*"])


def test_a_mock_that_runs_out_of_answers_is_folded(suite: Runs) -> None:
    result = suite(
        """
from unittest import mock

def test(monkeypatch):
    monkeypatch.setattr(tasks, "client", mock.Mock(notify=mock.Mock(side_effect=[1])))
    tasks.notifies.delay()
    assert tasks.client.notify.call_count == 1
"""
    )
    assert causes(result) == []
    result.stdout.fnmatch_lines(["JC941*"])


def test_a_task_that_fails_by_itself_is_not_delivered_again(suite: Runs) -> None:
    result = suite("def test():\n    with pytest.raises(ValueError): tasks.fails.delay()")
    assert causes(result) == []
    assert result.ret == pytest.ExitCode.OK


def test_a_suite_without_any_system_pays_nothing_and_says_so(suite: Runs) -> None:
    result = suite("def points(): pass\ndef test(): assert jobs")
    (line,) = filter(None, table(result))
    assert line.startswith("No test used a jobchaos fixture, and no known job system (Celery, RQ, ...) was imported")


def test_patched_tasks_are_explained(suite: Runs) -> None:
    result = suite(
        """
from unittest import mock

def test():
    with mock.patch("tasks.adds.delay") as delay:
        tasks.adds.delay(1)
    delay.assert_called_once()
"""
    )
    result.stdout.fnmatch_lines(
        ["*0 of 1 tests execute tasks*", "JC944 1 test without any task: what sends it is patched*"]
    )


def test_idempotent_effects_are_left_out(suite: Runs, project: pytest.Pytester) -> None:
    project.makeini("[pytest]\njobchaos_idempotent = mail\n  tasks.other: UPDATE*\n")
    assert causes(suite(BROKEN_AND_SOUND)) == [("JC103", "A", "tasks.adds")]
    project.makeini("[pytest]\njobchaos_ignore = users.points\n")
    assert causes(suite(BROKEN_AND_SOUND)) == []


def test_only_some_tasks(suite: Runs) -> None:
    result = suite(BROKEN_AND_SOUND, "--jobchaos-only", "tasks.set*")
    assert causes(result) == []
    result.stdout.fnmatch_lines(["*2 of 3 tests execute tasks, 1 of them replayed*"])


def test_a_budget_leaves_out_what_is_less_promising(suite: Runs) -> None:
    result = suite(BROKEN_AND_SOUND, "--jobchaos", "--jobchaos-budget", "1ms")
    result.stdout.fnmatch_lines(
        ["*1 of them replayed*", "JC943 the budget was used up: 1 executions were not replayed*"]
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--jobchaos", "--jobchaos-budget", "soon"), "*--jobchaos-budget: budget must be*got 'soon'*"),
        (("--jobchaos", "--jobchaos-budget", "300"), "*takes a time such as 30s*"),
        (("--jobchaos-budget", "5m"), "*limits what --jobchaos replays*"),
    ],
)
def test_bad_budgets(suite: Runs, options: tuple[str, ...], text: str) -> None:
    result = suite(BROKEN_AND_SOUND, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([text])


def test_fixtures_and_zero_change_mode_live_side_by_side(suite: Runs) -> None:
    result = suite(
        """
def test_fixture(run_twice): run_twice(jobs.sets, 5)
def test_adds(): tasks.adds.delay(1)
"""
    )
    result.stdout.fnmatch_lines(
        ["test_fixture*holds*", "Tiny: 1 of 1 tests execute tasks*", "*real * with a slow broker"]
    )
    assert causes(result) == [("JC103", "A", "tasks.adds")]


def test_nothing_is_said_of_a_suite_whose_tests_all_ask_for_a_check(suite: Runs) -> None:
    result = suite("def test_fixture(run_twice): run_twice(jobs.sets, 5)\n")
    result.stdout.fnmatch_lines(["test_fixture*holds*"])
    result.stdout.no_fnmatch_line("Tiny:*")
    result.stdout.no_fnmatch_line("JC944*")


def test_coroutine_tasks(suite: Runs) -> None:
    result = suite("import asyncio\ndef test(): asyncio.run(tasks.adds_later.delay(1)); assert points() == 1")
    assert causes(result) == [("JC103", "A", "tasks.adds_later")]


INTERRUPTED = """
import jobs
import tasks

runs = []

def test(monkeypatch):
    runs.append(1)
    if len(runs) == 4:
        monkeypatch.setattr(jobs, "adds", lambda _: exec("raise KeyboardInterrupt"))
    tasks.adds.delay(1)
"""


def test_after_ctrl_c_in_a_first_check_nothing_is_said_of_what_was_not_checked(project: pytest.Pytester) -> None:
    project.makepyfile(test_it="def test(run_twice): raise KeyboardInterrupt\n")
    result = project.runpytest_inprocess("-p", "no:cacheprovider", "--jobchaos", no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.no_fnmatch_line("*No test used*")


def test_ctrl_c_in_a_re_run_ends_the_session(suite: Runs, project: pytest.Pytester) -> None:
    project.makepyfile(test_it=INTERRUPTED)
    result = project.runpytest_inprocess("-p", "no:cacheprovider", "--jobchaos", no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize("kind", ["json", "xml", "html"])
def test_report_files_tell_causes(suite: Runs, project: pytest.Pytester, kind: str) -> None:
    suite(BROKEN_AND_SOUND, "--jobchaos", f"--jobchaos-report=out.{kind}")
    text = (project.path / f"out.{kind}").read_text()
    if kind == "json":
        document = json.loads(text)
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))
        (job,) = document["jobs"]
        (finding,) = job["findings"]
        assert (job["job"], job["status"], finding["code"], finding["schedule"]) == (
            "tasks.adds",
            "fails",
            "JC103",
            "A A",
        )
        assert finding["replay"].startswith("pytest --jobchaos-only tasks.adds --jobchaos-replay 'A A' ")
    assert "JC103 [A] tasks.adds" in text


# --- faithful re-runs ------------------------------------------------------------------------------------------------

FAITHFUL = """
import unittest

log = []

@pytest.fixture(scope="session")
def once():
    log.append("session")
    yield
    log.append("session-over")
    print("LOG", *log)

@pytest.fixture(scope="module", autouse=True)
def module(once):
    log.append("module")
    yield
    log.append("module-over")

@pytest.fixture
def fresh(module):
    return []

def test_fresh(fresh):
    fresh.append(1)
    tasks.sets.delay(5)
    assert fresh == [1]

class TestClass:
    def test_instance(self):
        assert not hasattr(self, "seen")
        self.seen = True
        tasks.sets.delay(6)

class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        log.append("class")

    def setUp(self):
        self.state = []

    def tearDown(self):
        jobs.sets(0)

    def test_case(self):
        self.state.append(1)
        tasks.sets.delay(7)
        self.assertEqual(self.state, [1])

    def test_subtests(self):
        for n in range(2):
            with self.subTest(n=n):
                tasks.sets.delay(10)
"""


def test_re_runs_are_faithful(suite: Runs) -> None:
    result = suite(FAITHFUL, "--jobchaos", "-s")
    assert causes(result) == []
    assert not [line for line in result.outlines if line.startswith("JC942")]
    result.assert_outcomes(passed=4)
    (log,) = [line.partition("LOG ")[2].split(" ") for line in result.outlines if "LOG " in line]
    assert log.count("session") == 1


def test_a_test_that_depends_on_what_it_left_behind_is_said_not_failed(suite: Runs) -> None:
    result = suite(
        """
class TestOnce:
    seen = []

    def test(self):
        assert not self.seen
        self.seen.append(1)
        tasks.adds.delay(1)
"""
    )
    assert causes(result) == []
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["JC942 not re-runnable: test_it.py::TestOnce::test: it fails when it is run again*"])


def test_nobody_is_told_of_re_runs(suite: Runs, project: pytest.Pytester) -> None:
    code = FAITHFUL + BROKEN_AND_SOUND.removeprefix(POINTS)
    suite(code, "--junitxml=plain.xml", "-p", "no:jobchaos")
    suite(code, "--jobchaos", "--junitxml=watched.xml", "--durations=0", "--pdb")

    def told(name: str) -> list[tuple[str | None, int]]:
        cases = ET.parse(project.path / name).getroot().iter("testcase")
        return [(case.get("name"), len(case)) for case in cases]

    assert told("watched.xml") == told("plain.xml")


def test_an_error_in_the_last_teardown_is_still_reported(suite: Runs) -> None:
    result = suite(
        """
@pytest.fixture(scope="session", autouse=True)
def breaks():
    yield
    raise RuntimeError("at the very end")

def test(): tasks.sets.delay(1)
"""
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*RuntimeError: at the very end*"])


def test_a_suite_that_stops_is_not_replayed(suite: Runs) -> None:
    result = suite("def test_adds(): tasks.adds.delay(1)\ndef test_bad(): assert 0", "--jobchaos", "-x")
    assert causes(result) == []
    result.stdout.fnmatch_lines(["JC942 nothing was replayed, as the suite itself stopped: stopping after 1 failures"])


def test_failing_tests_are_not_replayed(suite: Runs) -> None:
    result = suite("def test(): tasks.adds.delay(1); assert 0")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["JC942 not re-runnable: test_it.py::test: it does not pass without any fault"])


def test_failing_subtests_of_a_re_run_stay_there(suite: Runs) -> None:
    result = suite(
        """
def test(subtests):
    with subtests.test("adds"):
        tasks.adds.delay(1)
        assert points() == 1
"""
    )
    assert causes(result) == [("JC103", "A", "tasks.adds")]
    assert "SUBFAIL" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*test says*assert 2 == 1*"])


def test_clean_up_code_that_acts_is_found(suite: Runs) -> None:
    result = suite("def test(): tasks.tidies.delay(); assert points() == 2")
    assert causes(result) == [("JC303", "A", "tasks.tidies")]
    result.stdout.fnmatch_lines(["*stopped midway*", "*--jobchaos-replay 'A1!terminate A'*"])


def test_pytest_rerunfailures_beside_us(suite: Runs) -> None:
    result = suite(BROKEN_AND_SOUND, "--jobchaos", "--reruns", "2")
    assert causes(result) == [("JC103", "A", "tasks.adds")]
    result.assert_outcomes(passed=3)
