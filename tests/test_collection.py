"""Processes of xdist must agree on what the tests are called: a set in a name is another text in each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.thorough
def test_tests_are_called_the_same_in_each_process() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", "-n", "0", "-p", "no:cacheprovider"]
    environments = [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2", "3")]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for environment in environments
    ]
    first, *others = [process.communicate()[0].splitlines() for process in running]
    named = [line for line in first if "::" in line]
    assert len(named) > 1000
    for other in others:
        assert [line for line in other if "::" in line] == named
