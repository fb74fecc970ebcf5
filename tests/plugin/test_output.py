"""What a session prints and writes: the table, files, JUnit properties, progress; and how it exits."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.plugin.conftest import Runs

TWO = """
def test_sound(jobchaos): jobchaos(jobs.sets, 5)
def test_broken(jobchaos): jobchaos(jobs.marks_then_adds)
"""


def table(result: pytest.RunResult) -> list[str]:
    """The lines of the summary."""
    start = next(number for number, line in enumerate(result.outlines) if line.strip("= ") == "jobchaos")
    lines = result.outlines[start + 1 :]
    return lines[: next((number for number, line in enumerate(lines) if line.startswith("=")), len(lines))]


def test_the_table_has_a_row_for_each_check(runs: Runs) -> None:
    result = runs(TWO, "--jobchaos")
    head, broken, sound, totals = table(result)
    assert head.split() == ["test", "job", "duplicate", "concurrent", "crash", "timeout", "retry", "schedules", "time"]
    assert broken.split()[1:6] == ["marks_then_adds()", "holds", "holds", "FAILS", "JC303"]
    assert broken.split()[6:10] == ["FAILS", "JC413", "FAILS", "JC503"]
    assert sound.count("holds") == 5
    assert "2" in totals
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_without_the_flag_there_is_no_table(runs: Runs) -> None:
    runs(TWO).stdout.no_fnmatch_line("*duplicate  concurrent *")


def test_a_run_in_which_all_hold_exits_with_zero(runs: Runs) -> None:
    assert runs("def test(jobchaos): jobchaos(jobs.sets, 5)", "--jobchaos").ret == pytest.ExitCode.OK


def test_nothing_checked_is_said(runs: Runs) -> None:
    runs("def test(): pass", "--jobchaos").stdout.fnmatch_lines(["No test used a jobchaos fixture*"])


TIMED_OUT = """
import signal

import pytest

def ends(number, frame):
    pytest.fail("Timeout (>1.0s)")

def works():
    signal.raise_signal(signal.SIGALRM)

def test_timeout(run_twice):
    signal.signal(signal.SIGALRM, ends)
    run_twice(works)

def test_mistake(run_twice):
    run_twice(None)
"""


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "2"), marks=pytest.mark.thorough)], ids=["alone", "xdist"])
def test_checks_without_a_verdict_are_counted(runs: Runs, workers: tuple[str, ...]) -> None:
    result = runs(TIMED_OUT, "--jobchaos", *workers)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["2 checks came to no verdict: *"])
    result.stdout.no_fnmatch_line("No test used*")


@pytest.mark.thorough
def test_xdist_gives_the_same_table(runs: Runs) -> None:
    alone = table(runs(TWO, "--jobchaos"))
    shared = table(runs(TWO, "--jobchaos", "-n", "2"))

    def without_times(lines: list[str]) -> list[list[str]]:
        return [[word for word in line.split() if not word.replace(".", "").isdigit()] for line in lines]

    assert without_times(shared) == without_times(alone)


def test_a_json_report(runs: Runs, project: pytest.Pytester) -> None:
    runs(TWO, "--jobchaos-report", "out.json")
    broken, sound = json.loads((project.path / "out.json").read_text())["jobs"]
    assert (sound["status"], broken["status"]) == ("holds", "fails")
    assert broken["findings"][0]["schedule"] == "A1!kill A"
    assert broken["nodeid"] == "test_it.py::test_broken"


@pytest.mark.thorough
def test_an_html_and_an_xml_report(runs: Runs, project: pytest.Pytester) -> None:
    runs(TWO, "--jobchaos-report", "out.html")
    page = (project.path / "out.html").read_text()
    assert "JC303" in page
    assert "<script" not in page
    runs(TWO, "--jobchaos-report", "out.xml")
    assert ET.parse(project.path / "out.xml").getroot().find(".//failure") is not None


def test_a_report_of_an_unknown_kind_is_refused(runs: Runs) -> None:
    result = runs(TWO, "--jobchaos-report", "out.pdf")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--jobchaos-report: *'out.pdf': its name must end in one of .json, .html, .xml*"])


def test_a_missing_library_is_told_before_the_tests_run(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = runs(TWO, "--jobchaos-report", "out.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--jobchaos-report: an .html report needs jinja2*"])
    result.stdout.no_fnmatch_line("*passed*")


def test_a_report_that_cannot_be_written_is_told_after_them(runs: Runs, project: pytest.Pytester) -> None:
    project.mkdir("out.json")
    result = runs(TWO, "--jobchaos-report", "out.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--jobchaos-report: cannot write 'out.json': *"])
    result.stdout.fnmatch_lines(["*1 failed, 1 passed*"])


def test_junit_properties(runs: Runs, project: pytest.Pytester) -> None:
    runs(TWO, "--junitxml", "junit.xml")
    properties = {
        case.get("name"): [item.get("value") for item in case.iter("property") if item.get("name") == "jobchaos"]
        for case in ET.parse(project.path / "junit.xml").iter("testcase")
    }
    assert properties == {
        "test_sound": ["sets(5): holds"],
        "test_broken": ["marks_then_adds(): fails JC303 JC413 JC503"],
    }


def test_a_long_headline_is_wrapped_for_people_and_whole_in_junit(runs: Runs, project: pytest.Pytester) -> None:
    name = "adds_points_to_a_user_who_has_asked_for_them_more_often_than_anybody_would_think"
    result = runs(f"def {name}(): jobs.adds(5)\ndef test(run_twice): run_twice({name})", "--junitxml", "junit.xml")
    result.stdout.fnmatch_lines(["test_it.py:5: JobChaosError"])
    failure = next(ET.parse(project.path / "junit.xml").iter("failure"))
    message = failure.get("message", "")
    assert message.startswith(f"JC103 duplicate: {name}() ")
    assert len(message) > 110
    assert message not in result.stdout.str()
    assert " ".join(message.split()) in " ".join(result.stdout.str().split())


PRETEND = """
def pytest_sessionstart(session):
    session.config.pluginmanager.get_plugin("terminalreporter").isatty = lambda: {}
"""


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal_only(runs: Runs, project: pytest.Pytester, terminal: bool) -> None:
    with (project.path / "conftest.py").open("a") as file:
        file.write(PRETEND.format(terminal))
    project.makepyfile(
        slow="""
        import jobs, time

        def many():
            for number in range(1, 10):
                jobs.sets(number)
        """
    )
    shown = runs("import slow\ndef test(run_crashing): run_crashing(slow.many)", "--jobchaos").stdout.str()
    assert ("crash 10/" in shown) is terminal


@pytest.mark.thorough
def test_a_failing_schedule_is_remembered_and_replayed_first(project: pytest.Pytester) -> None:
    code = """
import jobchaos.engine.runner as runner

tokens = []
genuine = runner.Runner.run

def run(self, schedule, **options):
    tokens.append(str(schedule))
    return genuine(self, schedule, **options)

def test(run_crashing, monkeypatch):
    monkeypatch.setattr(runner.Runner, "run", run)
    try:
        run_crashing(jobs.marks_then_adds)
    finally:
        print("first:", [token for token in tokens if token != "A"][0])
        print("runs:", tokens.count("A1!kill A"))
"""
    project.makepyfile(test_it=f"import jobs\n{code}")
    counts = []
    for _ in range(2):
        result = project.runpytest_subprocess("-p", "no:cacheprovider", "-s", "--hypothesis-profile=default")
        result.stdout.fnmatch_lines(["*first: A1!kill A*"])
        counts.append(next(int(line.split()[1]) for line in result.outlines if line.startswith("runs: ")))
    assert counts[1] == counts[0] + 1  # before everything else
