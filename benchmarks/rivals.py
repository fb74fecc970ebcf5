"""The lost update beside frontrun, which explores interleavings of threads and of processes, too."""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import counter
from benchmarks.timing import in_memory, milliseconds
from jobchaos import check
from jobchaos.core.settings import Settings
from tests.proof.proving import Explored, proving

Row = tuple[str, float, int, float]


def available() -> bool:
    """True if frontrun is installed, with what its process mode needs."""
    return all(importlib.util.find_spec(name) is not None for name in ("frontrun", "dill"))


def rows() -> list[Row]:
    """Tool, schedules a second, orders visited, milliseconds to the first failure."""
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        path = str(Path(folder) / "test-counter.db")
        return [_jobchaos(path), _frontrun(path, "thread"), _frontrun(path, "process")]


def _jobchaos(path: str) -> Row:
    explored: list[Explored] = []

    def visit() -> None:
        with proving(*(functools.partial(counter.sign, path, worker) for worker in (0, 1))) as prover:
            explored.append(prover.reduced(2 * counter.UPDATES, 0))

    def find() -> None:
        settings = Settings(profile="quick", isolation="thread")
        verdict = check(functools.partial(counter.lose, path), faults=["concurrent"], settings=settings)
        assert verdict.status == "fails"

    counter.prepare(path)
    visiting = milliseconds(visit, 1)
    counter.prepare(path)
    return "jobchaos", 1000 * explored[0].runs / visiting, len(explored[0].states), milliseconds(find, 1)


def _frontrun(path: str, execution: str) -> Row:
    python = [sys.executable, "-m"]
    command = [*python, "frontrun.cli", *python, "benchmarks.frontrun_run", path, execution]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    figures = json.loads(told.stdout.splitlines()[-1])
    assert figures["fails"]
    return f"frontrun 0.7.0, {execution} mode", figures["rate"], figures["orders"], figures["first"]
