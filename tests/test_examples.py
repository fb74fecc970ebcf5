"""The examples, as a user runs them: each in a process of its own, from a copy, with the codes they promise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

EXPECTED = {
    ("registration_mail", "test_naive"): {
        "JC101": "A A",
        "JC201": "A B",
        "JC301": "A2!kill A",
        "JC411": "A1!late7",
        "JC501": "A1!lost",
    },
    ("registration_mail", "test_flag"): {
        "JC201": "A1 B A",
        "JC301": "A2!kill A",
        "JC411": "A1!late7",
        "JC501": "A1!lost",
    },
    ("registration_mail", "test_locked"): {"JC301": "A3!kill A", "JC411": "A2!late7", "JC501": "A2!lost"},
    ("registration_mail", "test_sound"): {},
    ("orders", "test_charge_then_record"): {
        "JC201": "A1 B A",
        "JC301": "A2!kill A",
        "JC411": "A1!late2",
        "JC501": "A1!lost",
    },
    ("orders", "test_idempotency_key"): {},
}
"""Test to what must be said of it: code to the token of the minimal schedule. Nothing else may be said."""


def verdicts(example: str) -> dict[str, dict[str, Any]]:
    """Run a whole example once, in a copy outside this checkout; test name to its verdict."""
    with TemporaryDirectory() as folder:
        copy = Path(folder, example)
        shutil.copytree(EXAMPLES / example, copy, ignore=shutil.ignore_patterns("__pycache__"))
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--jobchaos", "--jobchaos-report=out.json"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        result = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, env=environment)
        assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout + result.stderr
        jobs = json.loads((copy / "out.json").read_text())["jobs"]
        return {job["nodeid"].split("::")[-1]: job for job in jobs}


@pytest.mark.parametrize("example", sorted({example for example, _ in EXPECTED}))
def test_an_example_gets_the_verdicts_it_promises(example: str) -> None:
    told = verdicts(example)
    found = {
        test: {finding["code"]: finding["schedule"] for finding in verdict["findings"] if finding["gates"]}
        for test, verdict in told.items()
    }
    assert found == {test: expected for (folder, test), expected in EXPECTED.items() if folder == example}
    assert {test: verdict["status"] for test, verdict in told.items()} == {
        test: "fails" if expected else "holds" for test, expected in found.items()
    }
