"""Jobs of a Django project, in a pytest of its own that knows its settings: see `django_project`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("arguments", "tests"),
    [
        pytest.param(("check_db.py", "check_transactional.py", "check_contracts.py"), 143, marks=pytest.mark.thorough),
        (("--in-a-file", "check_transactional.py", "-k", "real_kills"), 1),
    ],
    ids=["in memory", "in files"],
)
def test_a_django_project(tmp_path: Path, arguments: tuple[str, ...], tests: int) -> None:
    project = tmp_path / "project"
    shutil.copytree(HERE / "django_project", project, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(HERE.parent)  # for the servers of our own tests
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert result.returncode == pytest.ExitCode.OK, result.stdout + result.stderr
    assert re.search(rf"^{tests} passed", result.stdout, re.MULTILINE), result.stdout
