"""The Huey app of the conformance tests, configured by the environment; for real workers, and for our simulation."""

from __future__ import annotations

import os
from typing import Any

from huey import SqliteHuey

from tests.adapters import steps


def make(path: str) -> Any:
    """An instance of its own, with the two tasks."""
    made = SqliteHuey("conformance", filename=path)
    made.run = made.task(name="run", retries=1, timeout=1)(steps.run)
    made.fail = made.task(name="fail", retries=2)(steps.fail)
    return made


if "JOBCHAOS_TEST_BROKER" in os.environ:
    huey = make(os.environ["JOBCHAOS_TEST_BROKER"])
