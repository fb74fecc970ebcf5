"""Isolation through the plugin: options, other plugins, and children that are never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.plugin.conftest import Runs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

PROCESSES = """
import os

@pytest.mark.jobchaos(isolation="process")
@pytest.mark.parametrize("number", range(4))
def test_sets(jobchaos, number):
    jobchaos(jobs.sets, number)

@pytest.mark.parametrize("number", range(4))
def test_adds(run_crashing, number):
    run_crashing(jobs.adds, number + 1)
"""


@pytest.mark.thorough
def test_forks_work_in_the_workers_of_xdist(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=f"import pytest\nimport jobs\n{PROCESSES}")
    result = project.runpytest_subprocess("-n", "2", "-W", "error", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=4, failed=4)
    result.stdout.fnmatch_lines(["*confirmed with a real SIGKILL; replays 1 of 1"] * 4)


def test_isolation_can_be_set_in_the_ini_file(runs: Runs, project: pytest.Pytester) -> None:
    project.makeini("[pytest]\njobchaos_isolation = thread\n")
    text = runs("def test(run_crashing): run_crashing(jobs.adds, 5)").stdout.str()
    assert "JC303" in text
    assert "SIGKILL" not in text


def test_a_bad_isolation_is_refused(runs: Runs) -> None:
    code = "@pytest.mark.jobchaos(isolation='vm')\ndef test(run_crashing): run_crashing(jobs.adds, 5)"
    runs(code).stdout.fnmatch_lines(["*isolation must be one of auto, process, thread; got 'vm'*"])


def test_ctrl_c_leaves_no_child_behind(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import os, time
        import pytest, jobs

        def waits():
            jobs.sets(1)
            with open("child", "w") as file:
                file.write(str(os.getpid()))
            while True:
                pass

        @pytest.mark.jobchaos(isolation="process", allow=["/"])
        def test(run_crashing):
            run_crashing(waits)
        """
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    child = project.path / "child"
    with subprocess.Popen(command, cwd=project.path, stdout=subprocess.PIPE, text=True) as run:
        deadline = time.monotonic() + 60
        while not (child.exists() and child.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process = int(child.read_text())
        os.kill(run.pid, signal.SIGINT)
        output, _ = run.communicate(timeout=60)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
